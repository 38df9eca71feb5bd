import type { Clock } from '../kit/clock.ts';
import { systemClock } from '../kit/clock.ts';
import type { Logger } from '../kit/log.ts';
import { WatchCache, type CacheOptions } from './cache.ts';
import { Connection, type ConnectOptions } from './connection.ts';
import { campaign, type CampaignOptions, type Leadership } from './election.ts';
import { Feed } from './feed.ts';
import { holdLease, type HeldLease, type HoldLeaseOptions } from './held-lease.ts';
import { Maintenance, type StorageHealth } from './maintenance.ts';
import { EtcdRegistry } from './registry.ts';
import { ConsistentReads } from './sync.ts';
import type { Cache, Registry, Track } from './types.ts';
import { Writer, type WriterCounters } from './writer.ts';

export interface OpenOptions extends ConnectOptions {
  readonly logger: Logger;
  /** Default: the system's. */
  readonly clock?: Clock;
  readonly ring?: CacheOptions['ring'];
  /** How long etcd keeps old revisions. Default 5 minutes, in ms. */
  readonly retentionMs?: number;
  /** How often etcd's size and alarms are looked at. Default 15 000 ms. */
  readonly maintenanceMs?: number;
  /** Notes who wrote which field; see `Track`. */
  readonly track?: Track;
  readonly writer?: { readonly maxOps?: number; readonly maxInFlight?: number; readonly timeoutMs?: number };
}

export interface StoreHealth extends StorageHealth {
  /** The watch of etcd is open: the cache is as new as etcd's last event. */
  readonly connected: boolean;
  readonly revision: number;
  readonly lastError: string | undefined;
}

/** Plain numbers for whoever exports them. */
export interface StoreMetrics extends WriterCounters {
  readonly revision: number;
  readonly oldestRevision: number;
  /** Changes the cache has applied. */
  readonly changes: number;
  /** Times the cache was rebuilt. */
  readonly resets: number;
  readonly watchers: number;
}

export interface Store {
  readonly registry: Registry;
  readonly cache: Cache;
  readonly writer: Writer;
  readonly connection: Connection;
  /** Resolves when this process leads `name`; see `election.ts`. */
  campaign(name: string, options: CampaignOptions): Promise<Leadership>;
  /** Keeps a Lease object `name` in `orc-system` for as long as this process lives. */
  holdLease(name: string, options: HoldLeaseOptions): HeldLease;
  /** Since when the cache has followed etcd without a break, in milliseconds since the epoch. */
  since(): number;
  health(): StoreHealth;
  metrics(): StoreMetrics;
  /** Stops all of it; writes that are under way are refused. Idempotent. */
  close(): Promise<void>;
}

/**
 * Connects to etcd and resolves when the cache holds the whole registry. While etcd is away it keeps trying,
 * until `signal` is aborted; then it rejects, saying what was wrong last.
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
  const maintenance = new Maintenance({
    connection,
    cache,
    clock,
    logger,
    ...(options.retentionMs === undefined ? {} : { retentionMs: options.retentionMs }),
    ...(options.maintenanceMs === undefined ? {} : { intervalMs: options.maintenanceMs }),
  });
  const onFull = (): void => void maintenance.check();
  const writer = new Writer({ connection, clock, logger, onFull, ...options.writer });
  const feed = new Feed({ connection, cache, clock, logger });
  const close = (): Promise<void> => {
    feed.close();
    maintenance.close();
    writer.close();
    connection.close();
    return Promise.resolve();
  };
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal?.reason as Error);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
  // The clock's timers do not keep the process alive while etcd is away.
  const keepAlive = setInterval(() => undefined, 60_000);
  try {
    await Promise.race([feed.ready(), aborted]);
  } catch (error) {
    await close();
    throw new Error(`The store could not be read: ${feed.lastError ?? 'etcd did not answer in time'}`, {
      cause: error,
    });
  } finally {
    clearInterval(keepAlive);
  }
  const parts = { connection, writer, cache, clock, logger };
  return {
    campaign: (name, campaignOptions) => campaign(parts, name, campaignOptions),
    holdLease: (name, holdOptions) => holdLease(parts, name, holdOptions),
    registry: new EtcdRegistry({
      cache,
      writer,
      clock,
      ...(options.track === undefined ? {} : { track: options.track }),
    }),
    cache,
    writer,
    connection,
    since: () => (feed.connected ? feed.connectedSince : clock.now()),
    health: () => ({
      connected: feed.connected,
      revision: cache.revision,
      lastError: feed.lastError,
      ...maintenance.health,
    }),
    metrics: () => ({
      ...writer.counters,
      revision: cache.revision,
      oldestRevision: cache.oldestRevision,
      changes: cache.changes,
      resets: cache.resets,
      watchers: cache.watchers,
    }),
    close,
  };
}
