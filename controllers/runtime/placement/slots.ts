import type { Node, Task } from '../../../api-schemas/index.ts';
import { isLeaving, isLost } from '../nodes.ts';
import type { Policy } from '../policy.ts';
import { isLive } from '../tasks.ts';
import { availabilityRefusal, placementRefusal, taintRefusal, wishOf } from './fit.ts';

/** Whether a task of the service may stay on the node. */
export const mayStay = (policy: Policy, node: Node): boolean =>
  !isLeaving(node) &&
  placementRefusal(wishOf(policy.spec.placement, policy.template.platform), node) === undefined;

/**
 * Returns the nodes that a global service has a slot on, by name: those that fit its placement and take new
 * tasks, or already run one and are neither draining nor lost.
 */
export function globalSlots(
  policy: Policy,
  nodes: ReadonlyMap<string, Node>,
  tasks: readonly Task[],
): readonly string[] {
  const occupied = new Set(tasks.filter(isLive).map((task) => task.spec.nodeName));
  const wish = wishOf(policy.spec.placement, policy.template.platform);
  return [...nodes.values()]
    .filter((node) => !isLost(node) && !isLeaving(node))
    .filter(
      (node) =>
        occupied.has(node.metadata.name) ||
        (availabilityRefusal(node) ?? taintRefusal(wish, node)) === undefined,
    )
    .filter((node) => placementRefusal(wish, node) === undefined)
    .map((node) => node.metadata.name)
    .sort();
}

/** Returns how many tasks the service wants now. */
export const desiredCount = (
  policy: Policy,
  nodes: ReadonlyMap<string, Node>,
  tasks: readonly Task[],
): number => (policy.mode === 'global' ? globalSlots(policy, nodes, tasks).length : policy.replicas);
