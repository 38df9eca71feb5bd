/** `orc node promote` and `orc node demote`. */
import { roleCondition, type MembersAnswer } from '../../api-schemas/cluster-api.ts';
import type { Node } from '../../api-schemas/index.ts';
import type { NodeRole } from '../../api-schemas/join.ts';
import type { Client } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Context, ExitCode } from '../command.ts';
import { CliError } from '../errors.ts';
import { note, say } from '../io.ts';
import { live } from '../wait/live.ts';
import { noQuorum, seeManagers, type Seen } from './managers.ts';
import { adviceFor, whyNotSpared } from './quorum.ts';

export interface RoleWait {
  /** Undefined: do not wait. */
  readonly timeoutMs: number | undefined;
}

export async function changeRole(
  context: Context,
  names: readonly string[],
  role: NodeRole,
  { timeoutMs }: RoleWait,
): Promise<ExitCode> {
  const { client } = await context.connect();
  // One after the other: each change of etcd's members needs the one before to be done.
  for (const name of names) {
    const [node, seen] = await Promise.all([
      client.get('Node', { name }, context.signal),
      seeManagers(client, context.signal),
    ]);
    const verdict = judge(node, role, seen);
    if (verdict instanceof CliError) throw verdict;
    if (verdict === 'Already') {
      say(context.io, `node/${name} is a ${role} already`);
      continue;
    }
    await client.patch(
      'Node',
      { name },
      'merge',
      { spec: { role } },
      { fieldManager: 'orc-node', signal: context.signal },
    );
    say(context.io, `node/${name} is to be a ${role}`);
    if (timeoutMs === undefined) continue;
    const code = await waitForRole(context, client, name, role, timeoutMs);
    if (code !== 0) return code;
  }
  const managers = (await seeManagers(client, context.signal)).managers.length;
  const advice = timeoutMs === undefined ? undefined : adviceFor(managers);
  if (advice !== undefined) note(context.io, advice);
  return 0;
}

/** `Already`: there is nothing to do or to wait for. Pure. */
export function judge(node: Node, role: NodeRole, seen: Seen): 'Change' | 'Already' | CliError {
  const { name } = node.metadata;
  const { managers, alive, etcd } = seen;
  if (etcd === undefined)
    return new CliError(
      'the state of this cluster is in an etcd of yours: its managers are the machines that you start as such',
      {
        remedy: 'start one with `orc up --etcd-endpoints …`, or stop it',
      },
    );
  if (etcd.own.leaderId === undefined) return noQuorum(`${name} stays what it is`);
  if (isSettled(node, role, seen) && (node.spec.role ?? role) === role) return 'Already';
  if (role === 'manager') return 'Change';
  const voters = managers.map((one) => ({ name: one, isAlive: alive.has(one) }));
  const why = managers.includes(name) ? whyNotSpared(name, voters) : undefined;
  return why === undefined ? 'Change' : new CliError(why);
}

/** It says so itself, and so do the list of managers and etcd. Pure. */
export function isSettled(node: Node, role: NodeRole, { managers, etcd }: Seen): boolean {
  const { name } = node.metadata;
  const member = etcd?.members.find((one) => one.name === name);
  if (saidRole(node) !== role) return false;
  return role === 'manager'
    ? managers.includes(name) && member?.isLearner === false
    : !managers.includes(name) && member === undefined;
}

/** As its agent says, or its server, where there has never been an agent. */
function saidRole({ status }: Node): NodeRole | undefined {
  if (status?.role !== undefined) return status.role;
  const applied = status?.conditions?.find(({ type }) => type === roleCondition);
  if (applied?.status !== 'True') return undefined;
  return applied.reason === 'IsWorker' ? 'worker' : 'manager';
}

const lookMs = 1_000;

async function waitForRole(
  context: Context,
  client: Client,
  name: string,
  role: NodeRole,
  timeoutMs: number,
): Promise<ExitCode> {
  let state = { done: false, line: 'waits for the node' };
  const wait = live(context, timeoutMs, () => ({
    done: state.done,
    lines: [`  ${name}  ${state.done ? `is a ${role}` : state.line}`],
  }));
  let isOver = false;
  let cancel = (): void => undefined;
  const look = async (): Promise<void> => {
    try {
      const [node, seen] = await Promise.all([
        client.get('Node', { name }),
        seeManagers(client, context.signal),
      ]);
      state = { done: isSettled(node, role, seen), line: lineOf(node, seen.etcd) };
    } catch (error) {
      // A server that is just ceasing to be one: the next one is asked.
      state = { done: false, line: messageOf(error) };
    }
    if (isOver) return;
    wait.wake();
    if (!state.done) cancel = context.clock.after(lookMs, () => void look());
  };
  void look();
  const code = await wait.ended;
  isOver = true;
  cancel();
  if (code === 3)
    note(
      context.io,
      `error: node/${name} is not a ${role} yet after the timeout: ${state.line}; the change goes on`,
    );
  if (code === 130)
    note(context.io, `\nInterrupted: the change goes on. Look with \`orc describe node/${name}\`.`);
  return code;
}

/** Why it is not there yet, as the node says it. Pure. */
function lineOf({ metadata: { name }, status }: Node, etcd: MembersAnswer | undefined): string {
  const find = (type: string) => status?.conditions?.find((condition) => condition.type === type);
  if (find('Connected')?.status === 'False')
    return 'waits: the node has no session; it changes when it is back';
  const role = find(roleCondition);
  if (role?.status === 'False') return `${role.reason.toLowerCase()}: ${role.message}`;
  const member = etcd?.members.find((one) => one.name === name);
  return member?.isLearner === true ? 'etcd catches up' : 'waits for the node';
}
