import { isNotFound, isAlreadyExists, messageOf } from '../../kit/errors.ts';
import { timestamp, type Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { Event, Obj } from '../../api-schemas/index.ts';
import type { Registry } from '../../store/types.ts';
import type { ControllerMetrics } from './metrics.ts';
import { describeObject, nameWithSuffix, shortHash } from './names.ts';

export interface NewEvent {
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export type RecordEvent = (object: Obj, event: NewEvent) => void;

/** Events of one object at once, and how long until one more is let through. */
const burst = 25;
const refillMs = 5_000;

/**
 * Writes Events without making the caller wait. The same event of the same object is one Event whose count
 * rises; an object that has too many is limited, and what could not be written is logged and counted.
 */
export class EventRecorder {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #component: string;
  readonly #metrics: ControllerMetrics;
  readonly #pending = new Map<string, { event: Event; times: number }>();
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  #flushing: Promise<void> | undefined;

  constructor(options: {
    registry: Registry;
    clock: Clock;
    log: Logger;
    component: string;
    metrics: ControllerMetrics;
  }) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#log = options.log;
    this.#component = options.component;
    this.#metrics = options.metrics;
  }

  readonly record: RecordEvent = (object, { type, reason, message }) => {
    const uid = object.metadata.uid ?? object.metadata.name;
    if (!this.#take(uid)) {
      this.#metrics.eventsDropped += 1;
      return;
    }
    const name = nameWithSuffix(object.metadata.name, shortHash(12, uid, type, reason, message), 253);
    const waiting = this.#pending.get(name);
    if (waiting !== undefined) {
      waiting.times += 1;
      return;
    }
    const now = timestamp(this.#clock);
    this.#pending.set(name, {
      times: 1,
      event: {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name, namespace: object.metadata.namespace ?? 'default' },
        involvedObject: {
          apiVersion: object.apiVersion,
          kind: object.kind,
          name: object.metadata.name,
          uid,
          ...(object.metadata.namespace === undefined ? {} : { namespace: object.metadata.namespace }),
        },
        type,
        reason,
        message: message.slice(0, 1024),
        count: 1,
        firstTimestamp: now,
        lastTimestamp: now,
        source: { component: this.#component },
        reportingComponent: `orc.dev/${this.#component}`,
        reportingInstance: this.#component,
      },
    });
    this.#log.debug({ object: describeObject(object), reason }, message);
    this.#flushing ??= this.#flush();
  };

  /** Resolves when all that was recorded so far is written or given up. */
  async settled(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing;
  }

  async #flush(): Promise<void> {
    await Promise.resolve();
    while (this.#pending.size > 0) {
      const batch = [...this.#pending.values()];
      this.#pending.clear();
      await Promise.all(batch.map(({ event, times }) => this.#write(event, times)));
    }
    this.#flushing = undefined;
  }

  async #write(event: Event, times: number): Promise<void> {
    const { name, namespace = '' } = event.metadata;
    const again = (current: Event): Event => ({
      ...current,
      count: current.count + times,
      lastTimestamp: event.lastTimestamp,
    });
    const ref = { kind: 'Event', namespace, name } as const;
    try {
      if (this.#registry.cache.get('Event', namespace, name) === undefined) {
        try {
          await this.#registry.create({ ...event, count: times });
          this.#metrics.events += 1;
          return;
        } catch (error) {
          if (!isAlreadyExists(error)) throw error;
        }
      }
      await this.#registry.modify<Event>(ref, again);
      this.#metrics.events += 1;
    } catch (error) {
      if (isNotFound(error)) return;
      this.#metrics.eventsDropped += 1;
      this.#log.warn({ object: `Event/${namespace}/${name}`, err: messageOf(error) }, 'event not written');
    }
  }

  #take(uid: string): boolean {
    const now = this.#clock.now();
    if (this.#buckets.size > 10_000) this.#buckets.clear();
    const bucket = this.#buckets.get(uid) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + (now - bucket.at) / refillMs);
    this.#buckets.set(uid, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    return tokens >= 1;
  }
}
