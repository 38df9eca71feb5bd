import { randomFrom } from '../../oracle/generate.ts';

/** Chance that is the same again for the same seed. */
export interface Chance {
  /** In [0, 1). */
  next(): number;
  /** A whole number from `low` to `high`, both possible. */
  between(low: number, high: number): number;
  /** Undefined only of an empty list. */
  pick<T>(from: readonly T[]): T | undefined;
}

export function chanceFrom(seed: number): Chance {
  const next = randomFrom(seed);
  return {
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (from) => from[Math.floor(next() * from.length)],
  };
}
