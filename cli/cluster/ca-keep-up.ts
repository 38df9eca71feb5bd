/** When the CLI's context is renewed while it follows a rotation: as soon as that brings it further, never in a loop. */
import { backoffMs } from '../../kit/backoff.ts';
import type { Clock } from '../../kit/clock.ts';

export interface KeepUpOptions {
  readonly clock: Clock;
  /** `https://host:port` of those by whom the context would come further now, the one that is furthest first. */
  readonly whom: () => readonly string[];
  /** How far the context is. */
  readonly stage: () => number;
  /** Has the context renewed by the first of these that answers, and goes by it. */
  readonly renew: (endpoints: readonly string[]) => Promise<void>;
  /** Goes by what is in the file now: a manager on this machine, or another command, may have renewed it. */
  readonly reopen: () => Promise<void>;
  /** Called after each attempt. */
  readonly onTried: () => void;
}

export interface KeepUp {
  /** Somebody else may be ahead of the context now. */
  look(): void;
  /** Its connection fails: it may have been renewed by somebody else. */
  reopen(): void;
  isBehind(): boolean;
  /** Attempts that brought it no further, since one did; and why the last one failed, if it did. */
  trouble(): { readonly failures: number; readonly error?: unknown };
  close(): void;
}

const retry = { baseMs: 1_000, maxMs: 30_000 };

/**
 * One attempt at a time. At once when it has never asked just these, or the last attempt has brought it further; else
 * after a pause that grows: each time that somebody answers one more certificate of an admin is made.
 */
export function keepUp({ clock, whom, stage, renew, reopen, onTried }: KeepUpOptions): KeepUp {
  let asked = '';
  let trouble: { readonly failures: number; readonly error?: unknown } = { failures: 0 };
  let isBusy = false;
  let isClosed = false;
  let isOwed = false;
  let cancel: (() => void) | undefined;
  const isBehind = (): boolean => whom().length > 0;
  const isNew = (): boolean => whom().join() !== asked;

  /** `isDue`: those that were asked in vain are to be asked again. */
  async function attempt(isDue: boolean): Promise<void> {
    if (isClosed) return;
    if (isBusy) {
      isOwed ||= isDue;
      return;
    }
    isBusy = true;
    const before = stage();
    let hasAsked = false;
    let failure: { readonly error?: unknown } = {};
    try {
      await reopen();
      const endpoints = whom();
      hasAsked = endpoints.length > 0 && (isDue || isNew());
      if (hasAsked) asked = endpoints.join();
      if (hasAsked) await renew(endpoints);
    } catch (error) {
      failure = { error };
    }
    isBusy = false;
    // What came due meanwhile is not lost: in the next turn, as this attempt may have decided otherwise.
    if (isOwed) again(0);
    isOwed = false;
    goOn(stage() > before, hasAsked, failure);
    onTried();
  }
  function goOn(hasRisen: boolean, hasAsked: boolean, failure: { readonly error?: unknown }): void {
    const isInVain = !hasRisen && (hasAsked || 'error' in failure);
    if (hasRisen) asked = '';
    if (hasRisen || isInVain)
      trouble = hasRisen ? { failures: 0 } : { failures: trouble.failures + 1, ...failure };
    if (hasRisen || isInVain) cancel?.();
    if (isClosed) return;
    const isToGoOn = isBehind() && isNew();
    if (isToGoOn || isInVain) again(isToGoOn ? 0 : backoffMs(trouble.failures, retry));
  }
  function again(ms: number): void {
    cancel?.();
    cancel = clock.after(ms, () => void attempt(true));
  }
  return {
    look() {
      if (isBehind() && isNew()) void attempt(false);
    },
    reopen: () => void attempt(false),
    isBehind,
    trouble: () => trouble,
    close() {
      isClosed = true;
      cancel?.();
    },
  };
}
