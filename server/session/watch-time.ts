import type { Clock } from '../../kit/clock.ts';

/**
 * Calls `check` again and again, after what had arrived by then was read: a server that was busy for a while must not
 * take what it had no time to read for silence. `excusedMs` is time in which this process stood still (a machine that
 * slept, a long pause), and could not have heard anybody.
 */
export function watchTime(
  clock: Clock,
  everyMs: number,
  check: (nowMs: number, excusedMs: number) => void,
): { close(): void } {
  let lastMs = clock.now();
  let isClosed = false;
  let cancel = (): void => undefined;
  const next = (): void => {
    cancel = clock.after(everyMs, () =>
      setImmediate(() => {
        if (isClosed) return;
        const nowMs = clock.now();
        const gapMs = nowMs - lastMs;
        lastMs = nowMs;
        check(nowMs, excusedOf(gapMs, everyMs));
        next();
      }),
    );
  };
  next();
  return {
    close() {
      isClosed = true;
      cancel();
    },
  };
}

/** A turn that comes late by more than a turn is a pause. */
export const excusedOf = (gapMs: number, everyMs: number): number =>
  gapMs > 2 * everyMs ? gapMs - everyMs : 0;
