import type { Condition, Node } from '../../api-schemas/index.ts';
import { findCondition, isTrue } from './conditions.ts';
import { isDeleting } from './names.ts';

export const isNodeReady = (node: Node): boolean => isTrue(node.status?.conditions, 'Ready');

export const isLost = (node: Node): boolean => isTrue(node.status?.conditions, 'Lost');

/** Its agent has looked at what became of its tasks since it, or its engine, came; of an older agent that is taken for so. */
export const isSettled = (node: Node | undefined): boolean => node?.status?.engine?.settled !== false;

export const availabilityOf = (node: Node): 'active' | 'pause' | 'drain' =>
  node.spec.availability ?? 'active';

/** Whether tasks are to leave it: drained, or being removed. */
export const isLeaving = (node: Node): boolean => availabilityOf(node) === 'drain' || isDeleting(node);

/** Why the node is not Ready, in words. */
export function notReadyReason(node: Node): string {
  const ready = findCondition(node.status?.conditions, 'Ready');
  if (ready === undefined) return 'it has not reported yet';
  return ready.message === '' ? ready.reason : `${ready.reason}: ${ready.message}`;
}

/** Reasons of a `Lost` that is False although it is due: the nodes controller holds such a node for all services. */
export const heldReason = { many: 'ManyNodesOut', all: 'AllNodesOut', restored: 'Restored' } as const;

export const isHeld = (lost: Pick<Condition, 'reason'>): boolean =>
  Object.values<string>(heldReason).includes(lost.reason);

/** Whether a change of the node may change where tasks can or should run. Heartbeats and sessions do not. */
export function differsForTasks(a: Node | undefined, b: Node | undefined): boolean {
  return a === undefined || b === undefined || fingerprint(a) !== fingerprint(b);
}

const fingerprint = (node: Node): string =>
  JSON.stringify([
    node.metadata.uid,
    availabilityOf(node),
    node.spec.taints,
    isDeleting(node),
    node.metadata.labels,
    isNodeReady(node),
    isLost(node),
    node.status?.hostname,
    node.status?.role,
    node.status?.addresses,
    node.status?.platform,
    node.status?.capacity,
    node.status?.engine?.labels,
    node.status?.engine?.settled,
  ]);
