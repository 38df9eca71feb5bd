import type { Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import type { Connection } from './connection.ts';
import { failureOf } from './errors.ts';

export interface MaintenanceOptions {
  readonly connection: Pick<Connection, 'call'>;
  readonly cache: { readonly revision: number };
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * How long etcd keeps old revisions, for watches that come back: one that was away for longer reads all anew.
   * Default 5 minutes, in ms: a thousand tasks in a crash loop write some 10 MB a minute.
   */
  readonly retentionMs?: number;
  /** How often it looks. Default 15 000 ms. */
  readonly intervalMs?: number;
}

export interface StorageHealth {
  /** etcd refuses puts: its database has reached the quota. */
  readonly full: boolean;
  /** Size of etcd's database file, and how much of it is used, in bytes. */
  readonly dbBytes: number;
  readonly dbInUseBytes: number;
}

interface Status {
  readonly dbSize: string;
  readonly dbSizeInUse: string;
  readonly errors: readonly string[];
}

interface Alarms {
  readonly alarms: readonly { readonly memberID: string }[];
}

const alarmAction = { get: 0, deactivate: 2 } as const;
const noSpace = 1;

/** Compaction and defragmentation take their time on a large database. */
const slowTimeoutMs = 120_000;
/** Looks between two repairs: one takes its time, and may find nothing to free. */
const repairEvery = 4;

/**
 * Compacts what is older than the retention, and looks whether etcd is full. A full one is compacted to now
 * and defragmented; when that made room, its alarm is switched off and writes go on.
 */
export class Maintenance {
  health: StorageHealth = { full: false, dbBytes: 0, dbInUseBytes: 0 };
  readonly #options: Required<MaintenanceOptions>;
  #samples: { readonly at: number; readonly revision: number }[] = [];
  #compacted = 0;
  #repairedAt: number | undefined;
  #cancel = (): void => undefined;
  #closed = false;
  #running: Promise<void> | undefined;

  constructor(options: MaintenanceOptions) {
    this.#options = { retentionMs: 300_000, intervalMs: 15_000, ...options };
    this.#schedule();
  }

  /** Looks now: a write was refused because etcd is full. At most one pass runs at a time. */
  check(): Promise<void> {
    this.#running ??= this.#pass().finally(() => (this.#running = undefined));
    return this.#running;
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }

  #schedule(): void {
    this.#cancel = this.#options.clock.after(this.#options.intervalMs, () => {
      void this.check().finally(() => {
        if (!this.#closed) this.#schedule();
      });
    });
  }

  async #pass(): Promise<void> {
    const { clock, logger } = this.#options;
    try {
      await this.#status();
      if (this.#closed) return;
      await this.#compactOld();
      if (!this.health.full) return;
      if (
        this.#repairedAt !== undefined &&
        clock.now() - this.#repairedAt < repairEvery * this.#options.intervalMs
      )
        return;
      await this.#repair();
      this.#repairedAt = clock.now();
    } catch (error) {
      logger.debug({ error: messageOf(error) }, 'etcd could not be looked after');
    }
  }

  async #status(): Promise<void> {
    const status = await this.#options.connection.call<Status>('Maintenance', 'status', {});
    const full = status.errors.some((error) => error.includes('NOSPACE'));
    if (full && !this.health.full)
      this.#options.logger.error(
        { dbBytes: Number(status.dbSize) },
        'etcd is full: nothing can be written. Delete what is not needed, or raise its --quota-backend-bytes',
      );
    this.health = { full, dbBytes: Number(status.dbSize), dbInUseBytes: Number(status.dbSizeInUse) };
  }

  async #compactOld(): Promise<void> {
    const { clock, cache, retentionMs } = this.#options;
    const now = clock.now();
    this.#samples.push({ at: now, revision: cache.revision });
    const old = this.#samples.filter((sample) => sample.at <= now - retentionMs).at(-1);
    if (old === undefined) return;
    this.#samples = this.#samples.filter((sample) => sample.at > old.at);
    await this.#compact(old.revision, false);
  }

  async #compact(revision: number, physical: boolean): Promise<void> {
    if (revision <= this.#compacted) return;
    try {
      await this.#options.connection.call('KV', 'compact', { revision, physical }, slowTimeoutMs);
    } catch (error) {
      if (failureOf(error) !== 'compacted') throw error;
    }
    this.#compacted = revision;
  }

  async #repair(): Promise<void> {
    const { connection, cache, logger } = this.#options;
    const before = this.health.dbBytes;
    await this.#compact(cache.revision, true);
    await connection.call('Maintenance', 'defragment', {}, slowTimeoutMs);
    await this.#status();
    const { dbBytes } = this.health;
    if (dbBytes > before * 0.9) return;
    logger.warn({ before, after: dbBytes }, 'compaction made room in etcd: writes go on');
    const { alarms } = await connection.call<Alarms>('Maintenance', 'alarm', { action: alarmAction.get });
    for (const { memberID } of alarms)
      await connection.call('Maintenance', 'alarm', {
        action: alarmAction.deactivate,
        memberID,
        alarm: noSpace,
      });
    await this.#status();
  }
}
