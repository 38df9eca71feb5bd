import type { Clock } from '../kit/clock.ts';
import { systemClock } from '../kit/clock.ts';
import type { Logger } from '../kit/log.ts';
import { WatchCache, type CacheOptions } from './cache.ts';
import { Connection, type ConnectOptions } from './connection.ts';
import { Feed } from './feed.ts';
import { EtcdRegistry } from './registry.ts';
import { ConsistentReads } from './sync.ts';
import type { Cache, Registry } from './types.ts';
import { Writer } from './writer.ts';

export interface OpenOptions extends ConnectOptions {
  readonly logger: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  readonly ring?: CacheOptions['ring'];
  readonly writer?: { readonly maxOps?: number; readonly maxInFlight?: number; readonly timeoutMs?: number };
}

export interface StoreHealth {
  /** The watch of etcd is open: the cache is as new as etcd's last event. */
  readonly connected: boolean;
  readonly revision: number;
  readonly lastError: string | undefined;
}

export interface Store {
  readonly registry: Registry;
  readonly cache: Cache;
  readonly writer: Writer;
  readonly connection: Connection;
  health(): StoreHealth;
  /** Stops all of it; writes that are under way are refused. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects to etcd and resolves when the cache holds the whole registry. While etcd is away it keeps trying,
 * until `signal` is aborted.
 */
export async function openStore(options: OpenOptions, signal?: AbortSignal): Promise<Store> {
  const { logger, clock = systemClock } = options;
  const connection = new Connection(options);
  const reads: ConsistentReads = new ConsistentReads({ connection, clock, cache: () => cache });
  const cache: WatchCache = new WatchCache({
    clock,
    logger,
    sync: (syncOptions) => reads.sync(syncOptions),
    ...(options.ring === undefined ? {} : { ring: options.ring }),
  });
  const writer = new Writer({ connection, clock, logger, ...options.writer });
  const feed = new Feed({ connection, cache, clock, logger });
  const close = (): Promise<void> => {
    feed.close();
    writer.close();
    connection.close();
    return Promise.resolve();
  };
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal?.reason as Error);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
  try {
    await Promise.race([feed.ready(), aborted]);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    registry: new EtcdRegistry({ cache, writer, clock }),
    cache,
    writer,
    connection,
    health: () => ({ connected: feed.connected, revision: cache.revision, lastError: feed.lastError }),
    close,
  };
}
