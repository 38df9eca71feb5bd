import type { KindName, ObjOf } from '../api-schemas/index.ts';
import { backoffMs } from '../kit/backoff.ts';
import { sleep } from '../kit/clock.ts';
import type { Client } from './client.ts';
import type { ListOptions } from './types.ts';

export interface InformerHandlers<T> {
  onChange?(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: T, previous: T | undefined): void;
  /** Called after each failure; the informer goes on trying. */
  onError?(error: unknown): void;
}

export interface Informer<T> {
  get(namespace: string, name: string): T | undefined;
  list(): readonly T[];
  /** Resolves when the first list is in; rejects when the informer was stopped before. */
  readonly synced: Promise<void>;
  /** Idempotent. */
  stop(): void;
}

const keyOf = ({ metadata }: { readonly metadata: { namespace?: string; name: string } }): string =>
  `${metadata.namespace ?? ''}/${metadata.name}`;

/** Keeps an in-memory copy of a collection current until stopped, whatever happens to servers and connections. */
export function startInformer<K extends KindName>(
  client: Client,
  kind: K,
  options: Omit<ListOptions, 'signal'> = {},
  handlers: InformerHandlers<ObjOf<K>> = {},
): Informer<ObjOf<K>> {
  const objects = new Map<string, ObjOf<K>>();
  const stop = new AbortController();
  const { clock, random } = client.transport;
  let resolveSynced = (): void => undefined;
  let rejectSynced: (error: Error) => void = () => undefined;
  const synced = new Promise<void>((resolve, reject) => {
    resolveSynced = resolve;
    rejectSynced = reject;
  });
  synced.catch(() => undefined);

  const put = (object: ObjOf<K>): void => {
    const key = keyOf(object);
    const previous = objects.get(key);
    if (previous?.metadata.resourceVersion === object.metadata.resourceVersion) return;
    objects.set(key, object);
    handlers.onChange?.(previous === undefined ? 'ADDED' : 'MODIFIED', object, previous);
  };
  const drop = (object: ObjOf<K>): void => {
    const key = keyOf(object);
    const previous = objects.get(key);
    if (previous === undefined) return;
    objects.delete(key);
    handlers.onChange?.('DELETED', object, previous);
  };
  const replace = (items: readonly ObjOf<K>[]): void => {
    const now = new Set(items.map(keyOf));
    for (const [key, object] of objects) if (!now.has(key)) drop(object);
    for (const object of items) put(object);
    resolveSynced();
  };

  const follow = async (): Promise<void> => {
    for (let failures = 0; !stop.signal.aborted; failures++) {
      try {
        for await (const event of client.watch(kind, { ...options, signal: stop.signal })) {
          failures = 0;
          if (event.type === 'SYNC') replace(event.items);
          else if (event.type === 'DELETED') drop(event.object);
          else if (event.type !== 'BOOKMARK') put(event.object);
        }
      } catch (error) {
        handlers.onError?.(error);
      }
      const wait = backoffMs(failures + 1, { baseMs: 250, maxMs: 30_000, random });
      await sleep(clock, wait, stop.signal).catch(() => undefined);
    }
    rejectSynced(new Error('the informer was stopped before its first list'));
  };
  void follow();

  return {
    get: (namespace, name) => objects.get(`${namespace}/${name}`),
    list: () => [...objects.values()],
    synced,
    stop: () => stop.abort(),
  };
}
