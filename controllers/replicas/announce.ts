import type { Condition, Service, Task } from '../../api-schemas/index.ts';
import { findCondition } from '../runtime/conditions.ts';
import type { NewEvent } from '../runtime/events.ts';
import type { Step } from './plan.ts';

/** Restarts are worth an event; tasks of a first start or of scaling are told of as one. Pure. */
export function restartsOf(steps: readonly Step[], tasks: readonly Task[]): NewEvent[] {
  return steps.flatMap((step): NewEvent[] => {
    if (step.kind !== 'CreateTask') return [];
    const { restarts = 0, notBefore, slot, nodeName } = step.task.spec;
    if (restarts === 0) return [];
    const before = tasks.findLast(
      ({ spec }) => spec.slot === slot && (slot !== undefined || spec.nodeName === nodeName),
    );
    const why = before?.status?.message ?? before?.status?.reason ?? 'task ended';
    const when = notBefore === undefined ? '' : '; waiting before the next start';
    return [
      { type: 'Warning', reason: 'Restarting', message: `slot ${slot ?? nodeName ?? ''}: ${why}${when}` },
    ];
  });
}

/** What a new status tells that the old one did not: scaled, converged, a port that does not answer. Pure. */
export function changesOf(before: Service, after: Service): NewEvent[] {
  const events: NewEvent[] = [];
  const [from, to] = [before.status?.desired, after.status?.desired];
  if (from !== undefined && to !== undefined && from !== to) {
    const reason = to > from ? 'ScaledUp' : 'ScaledDown';
    events.push({ type: 'Normal', reason, message: `from ${from} to ${to} tasks` });
  }
  const ready = became(before, after, 'Ready', 'True');
  if (ready !== undefined) {
    const message = `${ready.message} of revision ${after.status?.currentRevision ?? ''}`;
    events.push({ type: 'Normal', reason: 'Converged', message });
  }
  for (const [type, status] of [
    ['PortsPublished', 'False'],
    ['Stalled', 'True'],
    ['DrainHeld', 'True'],
  ] as const) {
    const bad = became(before, after, type, status);
    if (bad !== undefined) events.push({ type: 'Warning', reason: bad.reason, message: bad.message });
  }
  return events;
}

function became(
  before: Service,
  after: Service,
  type: string,
  status: Condition['status'],
): Condition | undefined {
  const now = findCondition(after.status?.conditions, type);
  const then = findCondition(before.status?.conditions, type);
  return now?.status === status && then?.status !== status ? now : undefined;
}
