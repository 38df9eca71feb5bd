/** What networks are called in the engine and the kernel of a node. Pure. */
import { createHash } from 'node:crypto';
import type { Network } from '../../api-schemas/index.ts';
import type { Owner } from '../runtime/types.ts';

/** `namespace/name`, as assignments name a network. */
export const keyOf = ({ metadata }: Pick<Network, 'metadata'>): string =>
  `${metadata.namespace ?? 'default'}/${metadata.name}`;

/** The networks of a task, that of the default route first. */
export const networkKeys = (task: {
  readonly metadata: { readonly namespace?: string };
  readonly spec: { readonly networks?: readonly string[] };
}): readonly string[] =>
  (task.spec.networks ?? []).map((name) => `${task.metadata.namespace ?? 'default'}/${name}`);

/**
 * A task's addresses in the order of its networks, that of the default route first: engines tell them in another one, and
 * others reach the task by the first. Those of networks that it does not name come last. Pure.
 */
export function inOrder<A extends { readonly network: string }>(
  addresses: readonly A[],
  networks: readonly string[] = [],
): readonly A[] {
  const placeOf = ({ network }: A): number => networks.indexOf(network) + 1 || networks.length + 1;
  return [...addresses].sort((a, b) => placeOf(a) - placeOf(b));
}

const digest = (...parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\0')).digest('hex');

/** Of this node and this very network: one that was made anew under the name has another range. */
const ownDigest = ({ cluster, nodeName }: Owner, { metadata }: Network): string =>
  digest(cluster, nodeName, metadata.uid ?? '');

/** Name in the engine, which nodes of other clusters may share. */
export const engineName = (owner: Owner, network: Network): string =>
  `orc-${keyOf(network).replace('/', '-')}.${ownDigest(owner, network).slice(0, 6)}`;

/** Interface name of its bridge: the kernel takes 15 characters. */
export const bridgeName = (owner: Owner, network: Network): string =>
  `orc-${ownDigest(owner, network).slice(0, 10)}`;

/** What this node's tunnels are called by, beside those of other agents in the same network namespace. */
export const tunnelTag = ({ cluster, nodeName }: Owner): string => digest(cluster, nodeName).slice(0, 4);

/** Of a network without IPv6: a /64 of the unique local addresses that is the same each time. It does not leave the node. */
export function localSubnet6(owner: Owner, network: Network): string {
  const hex = ownDigest(owner, network);
  return `fd${hex.slice(0, 2)}:${hex.slice(2, 6)}:${hex.slice(6, 10)}:${hex.slice(10, 14)}::/64`;
}
