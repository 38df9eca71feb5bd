import type { Obj } from '../api-schemas/index.ts';
import { messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import { refOfKey, type Ref } from './keys.ts';
import type { KeyValue } from './proto.ts';

function freeze(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  Object.freeze(value);
  if (Array.isArray(value)) for (const item of value) freeze(item);
  else for (const key in value) freeze((value as Record<string, unknown>)[key]);
}

/** Freezes a JSON value to its leaves and returns it. */
export function frozen<T>(value: T): T {
  freeze(value);
  return value;
}

export interface Stored {
  readonly ref: Ref;
  readonly object: Obj;
  readonly bytes: number;
}

/** The object of a key, with its resourceVersion, frozen; undefined (and a log line) when it is none. */
export function decode({ key, value, modRevision }: KeyValue, logger: Logger): Stored | undefined {
  const ref = refOfKey(key);
  if (ref === undefined) return undefined;
  try {
    const object = JSON.parse(value.toString()) as Obj & { metadata: { resourceVersion: string } };
    object.metadata.resourceVersion = String(modRevision);
    return { ref, object: frozen(object), bytes: value.length };
  } catch (error) {
    logger.error(
      { etcdKey: key, error: messageOf(error) },
      'a stored object is not readable and is left out',
    );
    return undefined;
  }
}
