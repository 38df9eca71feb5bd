/** Nodes that become managers, or cease to be: their part with the servers. */
import {
  nodeRefused,
  roleCondition,
  type PromoteAnswer,
  type RoleNote,
} from '../../api-schemas/cluster-api.ts';
import type { Condition, Node } from '../../api-schemas/index.ts';
import { timestamp } from '../../kit/clock.ts';
import { ApiError } from '../../kit/errors.ts';
import { nodeOf } from '../auth/authorize.ts';
import type { Identity } from '../types.ts';
import { text } from './input.ts';
import { refusalOf, serversOf } from './object.ts';
import { whyNoManager } from './rotation.ts';
import type { ClusterOptions } from './types.ts';

/**
 * Gives the CA's key to a node whose Node says, by an admin's hand, that it is to be a manager; over the connection
 * that its certificate has opened, and only for the key that its name was given to. Throws 403 and 409.
 */
export async function promote(options: ClusterOptions, identity: Identity): Promise<PromoteAnswer> {
  const node = await selfOf(options, identity);
  const { name } = node.metadata;
  if (node.spec.role !== 'manager')
    throw new ApiError(403, `node ${name} is not to be a manager: \`orc node promote ${name}\` makes it one`);
  if (options.etcd === undefined)
    throw new ApiError(
      409,
      'this cluster keeps its state in an etcd of yours: start a further manager with `orc up --etcd-endpoints …` and a copy of pki/',
    );
  const why = whyNoManager(options.registry.cache);
  if (why !== undefined) throw new ApiError(409, why);
  options.logger.warn({ object: `Node/${name}` }, 'is promoted, and was given the key of the CA');
  const { cert: ca, key: caKey } = options.ca();
  return { ca, caKey, servers: serversOf(options.registry.cache) };
}

/** Writes down how the change of a node's role goes, as a condition of its Node. */
export async function noteRole(
  options: ClusterOptions,
  identity: Identity,
  note: RoleNote,
): Promise<{ readonly noted: true }> {
  const { registry, clock } = options;
  const { name } = (await selfOf(options, identity)).metadata;
  await registry.modify<Node>(
    { kind: 'Node', namespace: '', name },
    (current) => withNote(current, note, timestamp(clock)),
    { manager: 'orc-server' },
  );
  return { noted: true };
}

export function withNote(node: Node, { applied, reason, message }: RoleNote, now: string): Node {
  const conditions = node.status?.conditions ?? [];
  const old = conditions.find(({ type }) => type === roleCondition);
  const status = applied ? 'True' : 'False';
  const next: Condition = {
    type: roleCondition,
    status,
    reason,
    message,
    lastTransitionTime: old?.status === status ? old.lastTransitionTime : now,
  };
  const others = conditions.filter(({ type }) => type !== roleCondition);
  return { ...node, status: { ...node.status, conditions: [...others, next] } };
}

/** Throws 400. */
export function roleNoteOf(body: unknown): RoleNote {
  const { applied, message } = body as { readonly applied?: unknown; readonly message?: unknown };
  const reason = text(body, 'reason');
  if (!/^[A-Z][A-Za-z]{0,60}$/.test(reason)) throw new ApiError(400, 'reason: expected a word in UpperCamel');
  if (typeof applied !== 'boolean') throw new ApiError(400, 'applied: expected true or false');
  return { applied, reason, message: typeof message === 'string' ? message.slice(0, 1024) : '' };
}

/** The Node of who asks. Throws 403 for who is none, or none any more. */
async function selfOf({ registry }: ClusterOptions, identity: Identity): Promise<Node> {
  const name = nodeOf(identity) ?? '';
  await registry.cache.sync();
  const refusal = refusalOf(registry.cache, name, identity.keyDigest);
  const node = registry.cache.get('Node', '', name);
  if (refusal !== undefined || node === undefined)
    throw new ApiError(403, refusal ?? 'only nodes ask for that', { reason: nodeRefused });
  return node;
}
