import type { Clock } from '../../kit/clock.ts';

export interface ReachOptions<T> {
  readonly open: (endpoint: string, signal: AbortSignal) => Promise<T>;
  /** Lets go of what came too late. */
  readonly drop: (late: T) => void;
  readonly onFailure: (endpoint: string, error: unknown) => void;
  readonly clock: Clock;
  /** One that has not answered for so long does not keep the next from being tried beside it. */
  readonly staggerMs: number;
}

export interface Reached<T> {
  readonly endpoint: string;
  readonly value: T;
  /** Those that were not tried. */
  readonly left: readonly string[];
}

/**
 * The first of the endpoints that answers, tried in order: the next one as soon as one fails, and beside one that is
 * silent. Undefined when none does. Never throws.
 */
export function reach<T>(
  endpoints: readonly string[],
  options: ReachOptions<T>,
): Promise<Reached<T> | undefined> {
  const { open, drop, onFailure, clock, staggerMs } = options;
  const left = [...endpoints];
  const tries = new Set<AbortController>();
  let cancel = (): void => undefined;
  return new Promise((resolve) => {
    let isOver = false;
    const next = (): void => {
      cancel();
      const endpoint = left.shift();
      if (endpoint === undefined) {
        if (tries.size === 0) resolve(undefined);
        return;
      }
      const own = new AbortController();
      tries.add(own);
      open(endpoint, own.signal).then(
        (value) => {
          tries.delete(own);
          if (isOver) return drop(value);
          isOver = true;
          cancel();
          for (const other of tries) other.abort(new Error('another server answered first'));
          resolve({ endpoint, value, left });
        },
        (error: unknown) => {
          tries.delete(own);
          if (isOver) return;
          onFailure(endpoint, error);
          next();
        },
      );
      if (left.length > 0) cancel = clock.after(staggerMs, next);
    };
    next();
  });
}
