import type { Task } from '../../api-schemas/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import type { ContainerState } from '../runtime/types.ts';
import type { TaskRecord } from './record.ts';

export type Alone =
  /** As ever: servers decide what follows. */
  | { readonly kind: 'report' }
  | { readonly kind: 'restart' }
  | { readonly kind: 'wait'; readonly until: number };

/** Servers fail over within seconds; what ends meanwhile is theirs to replace, elsewhere perhaps. */
const graceMs = 10_000;
const delay = { baseMs: 1_000, maxMs: 60_000 };

/**
 * What follows a container that ended while no server has been reached for `outMs`: nobody else can act, so the node
 * starts it again, by the service's restart condition, the first time at once and then later and later. Pure.
 */
export function afterEndAlone(
  task: Task,
  container: ContainerState,
  { alone }: TaskRecord,
  outMs: number,
  now: number,
): Alone {
  if (outMs === 0 || !isWanted(task, container.exitCode ?? 0)) return { kind: 'report' };
  if (outMs < graceMs) return { kind: 'wait', until: now + graceMs - outMs };
  const endedAt = Date.parse(container.finishedAt ?? '') || now;
  const due = endedAt + backoffMs(alone ?? 0, delay);
  return due > now ? { kind: 'wait', until: due } : { kind: 'restart' };
}

function isWanted({ spec }: Task, exitCode: number): boolean {
  if (spec.stopOnClientAfter !== undefined) return false;
  switch (spec.restartCondition ?? 'any') {
    case 'any':
      return true;
    case 'on-failure':
      return exitCode !== 0;
    case 'none':
      return false;
  }
}
