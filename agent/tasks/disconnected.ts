import { parseDuration } from '../../api-schemas/index.ts';
import { isWanted, type Entry } from './entry.ts';
import { disconnected, type TaskRecord } from './record.ts';

export interface Overdue {
  readonly due: readonly { readonly entry: Entry; readonly failing: NonNullable<TaskRecord['failing']> }[];
  /** Until the next one is due, in ms; undefined when there is none. */
  readonly nextMs: number | undefined;
}

/**
 * Which tasks the node has to stop by itself, when no server has been reached for `outMs`: their service has
 * another one started elsewhere, or wants none that nobody watches. Pure.
 */
export function overdue(entries: readonly Entry[], outMs: number): Overdue {
  const due: { entry: Entry; failing: NonNullable<TaskRecord['failing']> }[] = [];
  let nextMs: number | undefined;
  for (const entry of entries) {
    const after = entry.task?.spec.stopOnClientAfter;
    if (after === undefined || !isWanted(entry)) continue;
    const leftMs = parseDuration(after) - outMs;
    if (leftMs > 0) nextMs = Math.min(nextMs ?? leftMs, leftMs);
    else {
      const message = `no server was reached for ${after}: the node has stopped it, as its service asks`;
      due.push({ entry, failing: { reason: disconnected, message } });
    }
  }
  return { due, nextMs };
}
