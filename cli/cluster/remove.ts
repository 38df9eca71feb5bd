/** `orc node rm`. */
import { peerAddressOf, peerAnnotation, type EtcdMember } from '../../api-schemas/cluster-api.ts';
import type { Node } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import type { Context } from '../command.ts';
import { CliError } from '../errors.ts';
import { note, say } from '../io.ts';
import { isApiError } from '../../kit/errors.ts';
import { managerStates, noQuorum, removeManager, seeManagers, type ManagerState } from './managers.ts';

export interface RemovalView {
  /** Undefined: there is no such Node. */
  readonly node: Node | undefined;
  /** As far as its Lease says; without a quorum nobody knows. */
  readonly state: ManagerState | undefined;
  /** Its etcd, which may be all that there is of it. */
  readonly member?: EtcdMember | undefined;
}

/** Whose etcd and whose Node a word means: a name, or of a member also its id or its address. Pure. */
export function findTarget(
  word: string,
  nodes: readonly Node[],
  members: readonly EtcdMember[],
): { readonly name: string; readonly node: Node | undefined; readonly member: EtcdMember | undefined } {
  const isAt = (node: Node | undefined, { isStarted, peerUrls }: EtcdMember): boolean => {
    const peer = node?.metadata.annotations?.[peerAnnotation];
    return !isStarted && peer !== undefined && peerUrls.includes(peer);
  };
  const named = nodes.find(({ metadata }) => metadata.name === word);
  const member =
    members.find((one) => one.name === word || isAt(named, one)) ??
    (named === undefined ? members.find((one) => one.id === word || peerAddressOf(one) === word) : undefined);
  const node =
    named ?? (member && nodes.find((one) => one.metadata.name === member.name || isAt(one, member)));
  return { name: node?.metadata.name ?? (member?.name || word), node, member };
}

/** What is to be done to remove the node, in this order; or why it is not done. Pure. */
export function planRemoval(
  name: string,
  { node, state, member }: RemovalView,
  force: boolean,
): { readonly steps: readonly ('LeaveEtcd' | 'DeleteNode')[] } | { readonly refused: CliError } {
  if (state === 'Unknown') {
    return { refused: noQuorum(`${name} cannot be removed`) };
  }
  const isManager = state !== undefined;
  if (state === 'Leader' || state === 'Reachable') {
    return {
      refused: new CliError(`${name} is a manager that runs: it cannot be removed`, {
        remedy: `make it a worker first (\`orc node demote ${name}\`), or run \`orc leave\` there`,
      }),
    };
  }
  if (node === undefined && !isManager)
    return {
      refused: new CliError(`there is no node ${name}`, {
        remedy:
          '`orc node ls` has all nodes, and `orc cluster status` what was added to etcd and has not come',
      }),
    };
  if (member?.isLearner === true && member.isStarted && !force)
    return {
      refused: new CliError(`${name} is being added: its etcd has started, and may be catching up`, {
        remedy: `wait until it is a manager; or, if it does not come, remove it with --force`,
      }),
    };
  const connected = node?.status?.conditions?.find(({ type }) => type === 'Connected');
  if (connected?.status === 'True' && !force) {
    return {
      refused: new CliError(`node ${name} is connected: its containers would run on, and nobody would know`, {
        remedy: `stop orc there and run \`orc leave\`, which removes it; or remove it anyway with --force`,
      }),
    };
  }
  return {
    steps: [
      ...(isManager ? (['LeaveEtcd'] as const) : []),
      ...(node === undefined ? [] : (['DeleteNode'] as const)),
    ],
  };
}

export async function removeNodes(context: Context, names: readonly string[], force: boolean): Promise<void> {
  const { client } = await context.connect();
  for (const name of names) await removeNode(context, client, name, force);
}

async function removeNode(
  { io, signal }: Context,
  client: Client,
  word: string,
  force: boolean,
): Promise<void> {
  const [{ items }, seen] = await Promise.all([client.list('Node', { signal }), seeManagers(client, signal)]);
  const { name, node, member } = findTarget(word, items, seen.etcd?.members ?? []);
  // Whoever is in etcd is a manager, also before it has said where it is.
  const managers = member === undefined ? seen.managers : [...seen.managers, name];
  const state = managerStates({ ...seen, managers }).get(name);
  const plan = planRemoval(name, { node, state, member }, force);
  if ('refused' in plan) throw plan.refused;
  for (const step of plan.steps) {
    switch (step) {
      case 'LeaveEtcd':
        await removeManager(client, name, member?.peerUrls[0]).catch((error: unknown) => {
          throw isApiError(error, 'WouldLoseQuorum') ? new CliError(error.message, { cause: error }) : error;
        });
        note(io, `${name} is no manager any more`);
        break;
      case 'DeleteNode': {
        const { uid } = node?.metadata ?? {};
        await client.delete('Node', { name }, { ...(uid === undefined ? {} : { uid }), signal });
      }
    }
  }
  say(io, node === undefined ? `${name} removed` : `node/${name} removed`);
}
