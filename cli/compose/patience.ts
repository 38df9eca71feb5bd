/** Waiting for what may never come: heard of now and then, and not for ever. */
import type { Clock } from '../../kit/clock.ts';

export interface Patience {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly everyMs: number;
  readonly limitMs: number;
  /** Called each `everyMs`, with how long it has been. */
  onWait(elapsedMs: number): void;
  /** What is thrown at the limit; `cause` is how the work ended when it was told to. */
  tooLong(cause: unknown): Error;
}

/** The result of `work`, whose signal is aborted at the limit, or with the caller's. */
export async function patiently<T>(
  work: (signal: AbortSignal) => Promise<T>,
  patience: Patience,
): Promise<T> {
  const { clock, signal, everyMs, limitMs } = patience;
  const began = clock.now();
  const limit = new AbortController();
  let cancelNext = (): void => undefined;
  const next = (): void => {
    cancelNext = clock.after(everyMs, () => {
      patience.onWait(clock.now() - began);
      next();
    });
  };
  next();
  const cancelLimit = clock.after(limitMs, () => limit.abort(new Error('the time is up')));
  try {
    return await work(AbortSignal.any([signal, limit.signal]));
  } catch (error) {
    throw limit.signal.aborted && !signal.aborted ? patience.tooLong(error) : error;
  } finally {
    cancelNext();
    cancelLimit();
  }
}
