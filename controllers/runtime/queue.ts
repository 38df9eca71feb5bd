import { backoffMs } from '../../kit/backoff.ts';
import type { Clock } from '../../kit/clock.ts';
import { newMetrics, type ControllerMetrics } from './metrics.ts';
import { Terminal, Waiting, type Outcome } from './outcome.ts';

/** `Kind/namespace/name` or whatever names the unit of work of one controller. */
export type Key = string;

export interface WorkqueueOptions {
  readonly clock: Clock;
  /** Passes that may run at once, each for another key. */
  readonly concurrency: number;
  readonly reconcile: (key: Key) => Promise<Outcome | void>;
  readonly onError: (key: Key, error: unknown, failures: number) => void;
  readonly baseMs?: number;
  readonly maxMs?: number;
  readonly random?: () => number;
  readonly metrics?: ControllerMetrics;
  /** Runs `fn` soon, after the changes at hand were all seen. */
  readonly defer?: (fn: () => void) => void;
}

/**
 * Keys that need a pass. A key is queued once however often it is added, never has two passes at a time, and is
 * passed again when it was added during its pass. A pass that throws is repeated with exponential back-off and
 * jitter; success forgets the failures.
 */
export class Workqueue {
  readonly metrics: ControllerMetrics;
  readonly #options: WorkqueueOptions;
  readonly #queued = new Set<Key>();
  readonly #running = new Set<Key>();
  readonly #dirty = new Set<Key>();
  readonly #failures = new Map<Key, number>();
  readonly #timers = new Map<Key, { at: number; cancel: () => void }>();
  /** Key to the time before which it is not passed again, and how long that was from when it was said. */
  readonly #cooling = new Map<Key, { readonly until: number; readonly ms: number }>();
  #idle: (() => void)[] = [];
  #deferred = false;
  #closed = false;

  constructor(options: WorkqueueOptions) {
    this.#options = options;
    this.metrics = options.metrics ?? newMetrics();
  }

  add(key: Key): void {
    if (this.#closed) return;
    if (this.#running.has(key)) {
      this.#dirty.add(key);
      return;
    }
    const wait = this.#cooldownLeft(key);
    if (wait > 0) return this.addAfter(key, wait);
    this.#timers.get(key)?.cancel();
    this.#timers.delete(key);
    this.#queued.add(key);
    this.metrics.depth = this.#queued.size;
    this.#pumpSoon();
  }

  /** Adds the key after `ms`; of several times the earliest counts. */
  addAfter(key: Key, ms: number): void {
    if (this.#closed || this.#queued.has(key)) return;
    const at = this.#options.clock.now() + ms;
    const planned = this.#timers.get(key);
    if (planned !== undefined && planned.at <= at) return;
    planned?.cancel();
    const cancel = this.#options.clock.after(ms, () => {
      this.#timers.delete(key);
      this.add(key);
    });
    this.#timers.set(key, { at, cancel });
  }

  /** Failures of the key since its last success. */
  failuresOf(key: Key): number {
    return this.#failures.get(key) ?? 0;
  }

  /** Starts no more passes, and resolves when those that run have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#queued.clear();
    this.#dirty.clear();
    this.metrics.depth = 0;
    if (this.#running.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #cooldownLeft(key: Key): number {
    const cooling = this.#cooling.get(key);
    if (cooling === undefined) return 0;
    const left = cooling.until - this.#options.clock.now();
    // More than was said: the clock was set back.
    if (left <= 0 || left > cooling.ms) this.#cooling.delete(key);
    return Math.min(left, cooling.ms);
  }

  #pumpSoon(): void {
    if (this.#deferred) return;
    this.#deferred = true;
    (this.#options.defer ?? setImmediate)(() => {
      this.#deferred = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (const key of this.#queued) {
      if (this.#closed || this.#running.size >= this.#options.concurrency) break;
      this.#queued.delete(key);
      this.#running.add(key);
      void this.#pass(key);
    }
    this.metrics.depth = this.#queued.size;
    this.metrics.running = this.#running.size;
  }

  async #pass(key: Key): Promise<void> {
    const startedMs = performance.now();
    let next: Outcome = {};
    try {
      next = (await this.#options.reconcile(key)) ?? {};
      this.#failures.delete(key);
    } catch (error) {
      next = this.#afterThrow(key, error);
    }
    const tookMs = performance.now() - startedMs;
    this.metrics.passes += 1;
    this.metrics.latencyMsSum += tookMs;
    this.metrics.latencyMsMax = Math.max(this.metrics.latencyMsMax, tookMs);
    this.#running.delete(key);
    this.metrics.running = this.#running.size;
    if (this.#closed) {
      if (this.#running.size === 0) for (const resolve of this.#idle.splice(0)) resolve();
      return;
    }
    if (next.cooldownMs !== undefined && next.cooldownMs > 0) {
      const ms = next.cooldownMs;
      this.#cooling.set(key, { until: this.#options.clock.now() + ms, ms });
    }
    if (next.requeueAfterMs !== undefined) this.addAfter(key, next.requeueAfterMs);
    if (this.#dirty.delete(key)) this.add(key);
    if (this.#queued.size > 0) this.#pumpSoon();
  }

  #afterThrow(key: Key, error: unknown): Outcome {
    if (this.#closed) return {};
    if (error instanceof Waiting) return { requeueAfterMs: error.afterMs };
    const failures = this.failuresOf(key) + 1;
    this.#failures.set(key, failures);
    this.metrics.errors += 1;
    this.#options.onError(key, error, failures);
    if (error instanceof Terminal) return {};
    const { baseMs = 5, maxMs = 30_000, random = Math.random } = this.#options;
    return { requeueAfterMs: backoffMs(failures, { baseMs, maxMs, random }) };
  }
}
