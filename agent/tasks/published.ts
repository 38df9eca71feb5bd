import type { Condition, TaskStatus } from '../../api-schemas/index.ts';
import type { PortProblem } from '../network/ingress/ports.ts';

const type = 'PortsPublished';

/**
 * The status with a condition `PortsPublished=False` while published ports of the task's service do not answer on this
 * node, and without it when they do. Returns the same object when nothing changes. Pure.
 */
export function withPublished(status: TaskStatus, problems: readonly PortProblem[], now: string): TaskStatus {
  const before = status.conditions?.find((condition) => condition.type === type);
  const message = problems.map((problem) => problem.message).join('; ');
  if (before?.message === message || (before === undefined && problems[0] === undefined)) return status;
  const others = (status.conditions ?? []).filter((condition) => condition !== before);
  if (problems[0] === undefined) {
    const { conditions: _conditions, ...rest } = status;
    return others.length === 0 ? rest : { ...rest, conditions: others };
  }
  // That this node has not the address may be well: what else there is says more.
  const { reason } = problems.find((problem) => problem.reason !== 'NoSuchAddress') ?? problems[0];
  const lastTransitionTime = before?.lastTransitionTime ?? now;
  const condition: Condition = { type, status: 'False', reason, message, lastTransitionTime };
  return { ...status, conditions: [...others, condition] };
}
