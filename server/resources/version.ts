/** Reads at and after a resourceVersion. */
import type { KindName, Obj } from '../../api-schemas/index.ts';
import { ApiError } from '../../kit/errors.ts';
import { sleep } from '../../kit/clock.ts';
import type { Change } from '../../store/types.ts';
import type { Api } from '../types.ts';
import { badRequest } from './errors.ts';

/** How long a read waits for a version that the store has not reached. */
const futureMs = 3000;

/** Undefined when absent. Throws 400. */
export function versionOf(text: string | null): number | undefined {
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text))
    throw badRequest(`Invalid value: ${JSON.stringify(text)}: resourceVersion must be a number`);
  return Number(text);
}

/** Adds a `Warning` header to the answer. */
export type Warn = (text: string) => void;

/**
 * Waits until the cache may answer: absent: all that is committed; 0: at once; N: not older than N.
 * Throws 504 when N is in the future.
 */
export async function reach(api: Api, text: string | null, warn: Warn): Promise<void> {
  const version = versionOf(text);
  if (version === 0) return;
  if (version === undefined) return reachNewest(api, warn);
  return reachRevision(api, version);
}

/**
 * Waits until the cache holds all that is committed. While etcd cannot be reached it goes on with what the cache
 * has, and warns how old that is: who looks for what is wrong then must be able to look.
 */
export async function reachNewest(api: Api, warn: Warn): Promise<void> {
  const { cache } = api.registry;
  try {
    await cache.sync();
  } catch (error) {
    if (!(error instanceof ApiError) || !storeIsAway.has(error.reason)) throw error;
    const seconds = Math.max(0, Math.round((api.clock.now() - cache.confirmedAt) / 1000));
    const why = api.storeTrouble() ?? error.message;
    warn(`This is how things were ${seconds} s ago. ${why}`);
  }
}

const storeIsAway = new Set(['StoreUnavailable', 'NoQuorum']);

export async function reachRevision(api: Api, version: number): Promise<void> {
  const { cache } = api.registry;
  if (cache.revision >= version) return;
  await cache.sync();
  if (cache.revision >= version) return;
  const stop = new AbortController();
  try {
    const waited = cache.waitFor(version).then(
      () => true,
      () => false,
    );
    const slept = sleep(api.clock, futureMs, stop.signal).then(
      () => false,
      () => false,
    );
    if (await Promise.race([waited, slept])) return;
  } finally {
    stop.abort(new Error('done'));
  }
  throw new ApiError(504, `Too large resource version: ${version}, current: ${cache.revision}`, {
    details: {
      retryAfterSeconds: 1,
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    },
  });
}

/**
 * The objects of `kind` as they were at `revision`: the present ones with every later change undone.
 * Throws 410 when the changes since are no longer known.
 */
export function listAt(
  api: Api,
  kind: KindName,
  namespace: string | undefined,
  revision: number,
): readonly Obj[] {
  const { cache } = api.registry;
  const now: readonly Obj[] = cache.list(kind, namespace);
  if (revision === cache.revision) return now;
  const later: Change[] = [];
  cache
    .watch(kind, revision, { onChanges: (changes) => void later.push(...changes), onReset: () => undefined })
    .close();
  if (later.length === 0) return now;
  const at = new Map(now.map((object) => [keyOf(object), object]));
  for (const { object, previous } of later.reverse()) {
    if (namespace !== undefined && object.metadata.namespace !== namespace) continue;
    if (previous === undefined) at.delete(keyOf(object));
    else at.set(keyOf(object), previous);
  }
  return [...at.values()].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Order of lists. */
export const keyOf = ({ metadata }: Obj): string => `${metadata.namespace ?? ''}/${metadata.name}`;
