import type { Node, Service, Task } from '../../api-schemas/index.ts';
import type { NewCondition } from '../runtime/conditions.ts';
import { mayStay } from '../runtime/placement/slots.ts';
import { policyOf } from '../runtime/policy.ts';
import { isReady } from '../runtime/tasks.ts';

/** Says that tasks stay on nodes that they are to leave, as too few others are ready; undefined when none does. Pure. */
export function drainHeld(
  service: Service,
  tasks: readonly Task[],
  nodes: ReadonlyMap<string, Node>,
  unready: number,
): NewCondition | undefined {
  const policy = policyOf(service);
  const { maxUnavailable, mode } = policy;
  if (mode === 'global' || unready < maxUnavailable) return undefined;
  const leaving = tasks.filter((task) => {
    const node = nodes.get(task.spec.nodeName ?? '');
    return node !== undefined && isReady(task, nodes) && !mayStay(policy, node);
  });
  const [first] = leaving;
  if (first === undefined) return undefined;
  const names = [...new Set(leaving.map(({ spec }) => spec.nodeName ?? ''))].sort().join(', ');
  return {
    type: 'DrainHeld',
    status: 'True',
    reason: 'BudgetUsedUp',
    message:
      `${leaving.length} tasks stay on ${names}, which they are to leave, until others are ready: ` +
      `${unready} slots are unready, and at most ${maxUnavailable} may be (disruption.maxUnavailable)`,
  };
}
