import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { Cache, Change, Registry } from '../../store/types.ts';
import type { RecordEvent } from './events.ts';
import type { Outcome } from './outcome.ts';
import type { Key } from './queue.ts';
import type { Since } from './sightings.ts';

/** Waits that tests shorten; in milliseconds. */
export interface Timing {
  /** From a node's last sign of life until it is no longer Ready. */
  readonly sessionGraceMs: number;
  /** From a node's last sign of life until it is Lost, when its tasks are replaced elsewhere. */
  readonly lostAfterMs: number;
  /** The same for an engine that is down: it is often only restarted. */
  readonly engineLostAfterMs: number;
  /** How long the Lease of a server outlives it. */
  readonly serverLeaseMs: number;
  readonly eventTtlMs: number;
}

export const defaultTiming: Timing = {
  sessionGraceMs: 3_000,
  lostAfterMs: 5_000,
  engineLostAfterMs: 30_000,
  serverLeaseMs: 3_000,
  eventTtlMs: 3_600_000,
};

/** What a pass has at hand. Every write through `registry` carries the fence of the controller's election. */
export interface Context {
  readonly registry: Registry;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly log: Logger;
  readonly record: RecordEvent;
  readonly timing: Timing;
  /** When this process began to lead this controller, with a fresh cache; milliseconds since the epoch. */
  readonly leaderSince: number;
  /** Since when a node's condition is as it is. */
  readonly since: Since;
  /** Since when the store can be read and written without a break, as this process sees it. */
  storeSince(): number;
  /** Aborted when the leadership ends. */
  readonly signal: AbortSignal;
}

/**
 * One room. Its passes are level-triggered: a change only says which keys to look at again, and a pass decides
 * from the cache alone. Passes of different keys may run at once, never two of one key.
 */
export interface Controller {
  readonly name: string;
  /** Passes at once. Default 16. */
  readonly concurrency?: number;
  /** All keys, at the start and after the cache was rebuilt. */
  keys(cache: Cache): Iterable<Key>;
  /** Keys that a change may concern. Called for every change of every kind: cheap, and without side effects. */
  keysOf(change: Change, cache: Cache): Iterable<Key>;
  reconcile(key: Key, context: Context): Promise<Outcome | void>;
}
