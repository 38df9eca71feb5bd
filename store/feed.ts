import { backoffMs } from '../kit/backoff.ts';
import { sleep, type Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import type { WatchCache } from './cache.ts';
import type { Connection } from './connection.ts';
import { registryEnd, registryPrefix } from './keys.ts';
import { listRegistry } from './list.ts';
import { encodeWatchCreate, type WatchEvent, type WatchResponse } from './proto.ts';

export interface FeedOptions {
  readonly connection: Pick<Connection, 'range' | 'watch'>;
  readonly cache: Pick<WatchCache, 'revision' | 'reset' | 'apply'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Groups the events of a watch by revision; a revision may continue over the fragments of a response. */
export class RevisionBuffer {
  #events: WatchEvent[] = [];

  /** Calls `apply` for each revision that is complete. */
  add(response: WatchResponse, apply: (events: readonly WatchEvent[], revision: number) => void): void {
    for (const event of response.events) {
      const open = this.#events[0];
      if (open !== undefined && open.kv.modRevision !== event.kv.modRevision) this.#flush(apply);
      this.#events.push(event);
    }
    if (!response.fragment) this.#flush(apply);
  }

  #flush(apply: (events: readonly WatchEvent[], revision: number) => void): void {
    const events = this.#events;
    const [first] = events;
    if (first === undefined) return;
    this.#events = [];
    apply(events, first.kv.modRevision);
  }
}

/**
 * Keeps the cache like etcd: lists once, then watches from the next revision, for as long as it is open.
 * A lost watch resumes from the last revision applied; a compacted one, or a store that has gone back in
 * time (restored from a backup), is listed again.
 */
export class Feed {
  /** True while the watch is open. */
  connected = false;
  /** When the watch was last opened, in milliseconds since the epoch. */
  connectedSince = 0;
  lastError: string | undefined;

  readonly #options: FeedOptions;
  readonly #closed = new AbortController();
  readonly #ready: Promise<void>;
  #isReady = (): void => undefined;
  #clusterId = '0';
  #mustList = true;
  #failures = 0;

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#ready = new Promise((resolve) => (this.#isReady = resolve));
    void this.#run();
  }

  /** Resolves when the first list is in the cache. */
  ready(): Promise<void> {
    return this.#ready;
  }

  close(): void {
    this.#closed.abort(new Error('The feed is closed'));
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options;
    while (!this.#closed.signal.aborted) {
      try {
        await (this.#mustList ? this.#list() : this.#checkSameStore());
        if (!this.#mustList) await this.#watch();
      } catch (error) {
        this.lastError = messageOf(error);
        if (!this.#closed.signal.aborted && this.#failures === 0)
          logger.warn({ error: this.lastError }, 'the watch of etcd is interrupted, the cache is stale');
      }
      this.connected = false;
      this.#failures++;
      const wait = backoffMs(this.#failures, { baseMs: 20, maxMs: 1000, random: Math.random });
      await sleep(clock, wait, this.#closed.signal).catch(() => undefined);
    }
  }

  async #list(): Promise<void> {
    const { connection, cache, logger } = this.#options;
    const snapshot = await listRegistry(connection, logger);
    if (this.#closed.signal.aborted) return;
    this.#mustList = false;
    this.#clusterId = snapshot.clusterId;
    cache.reset(snapshot.objects, snapshot.revision);
    logger.info({ objects: snapshot.objects.length, revision: snapshot.revision }, 'read the registry');
    this.#isReady();
  }

  /** A linearizable read: a member that has just started and is still catching up would tell too little. */
  async #checkSameStore(): Promise<void> {
    const { connection, cache, logger } = this.#options;
    const { clusterId, revision } = await connection.range({ key: registryPrefix, limit: 1, keysOnly: true });
    if (clusterId === this.#clusterId && revision >= cache.revision) return;
    logger.warn({ revision, seen: cache.revision }, 'etcd holds another history: reading it anew');
    this.#mustList = true;
    this.#failures = 0;
  }

  /** Resolves or rejects when the watch has ended. */
  async #watch(): Promise<void> {
    const { connection, cache, logger } = this.#options;
    const stream = await connection.watch();
    const buffer = new RevisionBuffer();
    await new Promise<void>((resolve, reject) => {
      const end = (error?: Error): void => {
        this.#closed.signal.removeEventListener('abort', onAbort);
        stream.on('error', () => undefined);
        stream.cancel();
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = (): void => end();
      this.#closed.signal.addEventListener('abort', onAbort, { once: true });
      if (this.#closed.signal.aborted) return end();
      stream.on('error', (error) => end(error));
      stream.on('end', () => end(new Error('etcd ended the watch')));
      stream.on('data', (response) => {
        if (this.#closed.signal.aborted) return;
        if (response.canceled) {
          if (response.compactRevision > 0) {
            logger.warn({ compacted: response.compactRevision }, 'the watched revision is compacted');
            this.#mustList = true;
            return end();
          }
          return end(new Error(`etcd cancelled the watch: ${response.cancelReason}`));
        }
        if (response.created) {
          if (this.#failures > 0) logger.info({ revision: cache.revision }, 'the watch of etcd goes on');
          this.connected = true;
          this.connectedSince = this.#options.clock.now();
          this.lastError = undefined;
          this.#failures = 0;
        }
        buffer.add(response, (events, revision) => {
          if (revision > cache.revision) cache.apply(events, revision);
        });
      });
      stream.write(encodeWatchCreate(registryPrefix, registryEnd, cache.revision + 1));
    });
  }
}
