import type { Clock } from '../../kit/clock.ts';
import { isApiError, isConflict, messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { Change, Fence, Registry } from '../../store/types.ts';
import type { Context, Controller, Timing } from './controller.ts';
import { EventRecorder } from './events.ts';
import { fencedRegistry } from './fenced.ts';
import type { ControllerMetrics } from './metrics.ts';
import { Terminal } from './outcome.ts';
import { Workqueue, type Key } from './queue.ts';
import type { Since } from './sightings.ts';

export interface LoopOptions {
  readonly controller: Controller;
  readonly registry: Registry;
  readonly fence: Fence;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: ControllerMetrics;
  readonly timing: Timing;
  readonly since: Since;
  readonly storeSince: () => number;
  /** Called once when the store refuses a write because somebody else leads. */
  readonly onFenced: () => void;
}

/**
 * One controller at work, for as long as this process leads it. Changes are handed in by the owner of the one
 * subscription; after a reset of the cache every key is passed again.
 */
export class ControllerLoop {
  readonly #options: LoopOptions;
  readonly #queue: Workqueue;
  readonly #events: EventRecorder;
  readonly #context: Context;
  readonly #abort = new AbortController();

  constructor(options: LoopOptions) {
    this.#options = options;
    const { controller, clock, metrics, log, timing } = options;
    const registry = fencedRegistry(options.registry, options.fence);
    this.#events = new EventRecorder({ registry, clock, log, component: controller.name, metrics });
    this.#context = {
      registry,
      cache: registry.cache,
      clock,
      log,
      record: this.#events.record,
      timing,
      leaderSince: clock.now(),
      since: options.since,
      storeSince: options.storeSince,
      signal: this.#abort.signal,
    };
    this.#queue = new Workqueue({
      clock,
      metrics,
      concurrency: controller.concurrency ?? 16,
      reconcile: (key) => controller.reconcile(key, this.#context),
      onError: (key, error, failures) => this.#onError(key, error, failures),
    });
  }

  /** Passes every key. */
  resync(): void {
    for (const key of this.#options.controller.keys(this.#context.cache)) this.#queue.add(key);
  }

  onChange(change: Change): void {
    for (const key of this.#options.controller.keysOf(change, this.#context.cache)) this.#queue.add(key);
  }

  /** Ends after the passes that run now. */
  async close(): Promise<void> {
    this.#abort.abort(new Error(`controller ${this.#options.controller.name} stops`));
    await this.#queue.close();
    await this.#events.settled();
  }

  #onError(key: Key, error: unknown, failures: number): void {
    const { log, onFenced } = this.#options;
    if (isApiError(error, 'Fenced')) {
      log.warn({ object: key }, 'a write was refused: this process no longer leads');
      return onFenced();
    }
    // Somebody else wrote meanwhile: expected, and the next pass sees it.
    if (isConflict(error) && failures < 5)
      return log.debug({ object: key, err: messageOf(error) }, 'conflict');
    if (error instanceof Terminal) {
      return log.error(
        { object: key, reason: error.reason },
        `${error.message}; not tried again until it changes`,
      );
    }
    log.warn({ object: key, failures, err: messageOf(error) }, 'pass failed; it is tried again');
  }
}
