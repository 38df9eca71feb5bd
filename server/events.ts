/** Events that the server itself records. */
import { createHash } from 'node:crypto';
import type { Event, Obj } from '../api-schemas/index.ts';
import { timestamp, type Clock } from '../kit/clock.ts';
import { isAlreadyExists, isNotFound, messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import type { Registry } from '../store/types.ts';

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  /** UpperCamel, for programs. */
  readonly reason: string;
  /** A sentence for people; cut at 1,024 characters. */
  readonly message: string;
}

export type RecordEvent = (object: Obj, event: EventText) => void;

export interface RecorderOptions {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Who says so, e.g. `orc-server`. */
  readonly component: string;
  readonly host?: string;
}

const maxMessage = 1024;
/** Events waiting to be written; more are dropped, with a line in the log. */
const maxWaiting = 1000;

/**
 * Returns a function that records events without being waited for. The same event about the same object
 * (uid, reason and message) is one Event whose `count` rises; its name follows from these, so that all
 * processes count on one object. What happens again while it is being written is added in one further write.
 * Failures are logged, never thrown.
 */
export function createRecorder(options: RecorderOptions): RecordEvent {
  /** Times that an event happened since its write began, by name. */
  const again = new Map<string, number>();
  const run = async (object: Obj, event: EventText, name: string): Promise<void> => {
    for (let times = 1; times > 0; times = again.get(name) ?? 0) {
      again.set(name, 0);
      await record(options, object, event, name, times);
    }
  };
  return (object, given) => {
    const event = { ...given, message: given.message.slice(0, maxMessage) };
    const name = eventName(object, event);
    const times = again.get(name);
    if (times !== undefined) {
      again.set(name, times + 1);
      return;
    }
    if (again.size >= maxWaiting) {
      options.logger.warn({ reason: event.reason }, 'too many events at once: one is dropped');
      return;
    }
    again.set(name, 0);
    run(object, event, name)
      .catch((error: unknown) =>
        options.logger.warn(
          { reason: event.reason, error: messageOf(error) },
          'an event could not be recorded',
        ),
      )
      .finally(() => again.delete(name));
  };
}

/** `<object>.<hash>`: the same for the same uid, reason and message. */
export function eventName({ metadata }: Obj, { reason, message }: EventText): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([metadata.uid ?? '', reason, message]))
    .digest('hex')
    .slice(0, 16);
  return `${metadata.name.slice(0, 200)}.${hash}`;
}

async function record(
  { registry, clock, component, host }: RecorderOptions,
  object: Obj,
  event: EventText,
  eventName: string,
  times: number,
): Promise<void> {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const now = timestamp(clock);
  // Events about objects of cluster scope live in `default`, as in Kubernetes.
  const ref = { kind: 'Event' as const, namespace: namespace ?? 'default', name: eventName };
  const again = (): Promise<Event> =>
    registry.modify<Event>(ref, (current) => ({
      ...current,
      count: current.count + times,
      lastTimestamp: now,
    }));
  try {
    await again();
    return;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  const first: Event = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: ref.name, namespace: ref.namespace },
    involvedObject: {
      apiVersion: object.apiVersion,
      kind: object.kind,
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    ...event,
    count: times,
    firstTimestamp: now,
    lastTimestamp: now,
    source: { component, ...(host === undefined ? {} : { host }) },
    reportingComponent: component,
    reportingInstance: host ?? '',
  };
  try {
    await registry.create(first);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await again();
  }
}
