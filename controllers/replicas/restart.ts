import type { Task } from '../../api-schemas/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import type { Policy } from '../runtime/policy.ts';
import { stateOf } from '../runtime/tasks.ts';

export type Verdict =
  /** `delayMs`: how long the next one has to wait, 0 when it may start at once. */
  | { readonly kind: 'restart'; readonly restarts: number; readonly delayMs: number }
  /** The policy wants no further task in the slot. */
  | { readonly kind: 'done' }
  | { readonly kind: 'gaveUp'; readonly restarts: number };

/** Ends that say nothing about the container: something from outside stopped or removed it. */
const fromOutside: ReadonlySet<string | undefined> = new Set([
  'ContainerLost',
  'StoppedOutside',
  'Disconnected',
]);

/**
 * Says what follows a task that ended without having been told to. The first restart is at once, each further
 * one within the window waits twice as long; a task that ran for the window starts the count again. What ended from outside does not count, and
 * is started again at once.
 */
export function afterEnd(task: Task, { restart }: Pick<Policy, 'restart'>): Verdict {
  if (restart.condition === 'none') return { kind: 'done' };
  if (restart.condition === 'on-failure' && stateOf(task) === 'Complete') return { kind: 'done' };

  if (fromOutside.has(task.status?.reason)) {
    return { kind: 'restart', restarts: task.spec.restarts ?? 0, delayMs: 0 };
  }
  const restarts = (ranMs(task) >= restart.windowMs ? 0 : (task.spec.restarts ?? 0)) + 1;
  if (restart.maxAttempts > 0 && restarts > restart.maxAttempts)
    return { kind: 'gaveUp', restarts: restarts - 1 };

  const delayMs = backoffMs(restarts - 1, { baseMs: restart.delayMs, maxMs: restart.maxDelayMs });
  return { kind: 'restart', restarts, delayMs };
}

function ranMs({ status }: Task): number {
  if (status?.startedAt === undefined || status.finishedAt === undefined) return 0;
  return Date.parse(status.finishedAt) - Date.parse(status.startedAt);
}
