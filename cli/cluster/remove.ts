/** `orc node rm`. */
import type { Node } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import type { Context } from '../command.ts';
import { CliError } from '../errors.ts';
import { note, say } from '../io.ts';
import { isApiError, isNotFound } from '../../kit/errors.ts';
import { managerStates, noQuorum, removeManager, seeManagers, type ManagerState } from './managers.ts';

export interface RemovalView {
  /** Undefined: there is no such Node. */
  readonly node: Node | undefined;
  /** As far as its Lease says; without a quorum nobody knows. */
  readonly state: ManagerState | undefined;
}

/** What is to be done to remove the node, in this order; or why it is not done. Pure. */
export function planRemoval(
  name: string,
  { node, state }: RemovalView,
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
  if (node === undefined && !isManager) return { refused: new CliError(`there is no node ${name}`) };
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
  name: string,
  force: boolean,
): Promise<void> {
  const [node, seen] = await Promise.all([readNode(client, name, signal), seeManagers(client, signal)]);
  const plan = planRemoval(name, { node, state: managerStates(seen).get(name) }, force);
  if ('refused' in plan) throw plan.refused;
  for (const step of plan.steps) {
    switch (step) {
      case 'LeaveEtcd':
        await removeManager(client, name).catch((error: unknown) => {
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
  say(io, `node/${name} removed`);
}

const readNode = (client: Client, name: string, signal: AbortSignal): Promise<Node | undefined> =>
  client.get('Node', { name }, signal).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });
