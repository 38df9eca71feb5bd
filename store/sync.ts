import type { Clock } from '../kit/clock.ts';
import type { Connection } from './connection.ts';
import { storeUnavailable } from './errors.ts';
import { registryPrefix, syncKey } from './keys.ts';
import type { SyncOptions } from './types.ts';

export interface ConsistentReadOptions {
  readonly connection: Pick<Connection, 'range' | 'call'>;
  readonly clock: Clock;
  readonly cache: () => {
    readonly revision: number;
    waitFor(revision: number): Promise<void>;
    /** All that was committed before `at` is in the cache. */
    confirm(at: number): void;
  };
  /** How long the cache may take to reach etcd's revision before a write of our own is made. Default 50 ms. */
  readonly patienceMs?: number;
}

/**
 * Consistent reads: asks etcd for its revision and waits until the cache has reached it. All that wait at
 * one time share one question. Where etcd's revision moves outside the registry (a shared etcd), no event
 * would come, so the sync key is written and its event is waited for. (Progress requests are no way: etcd
 * 3.4 and early 3.5 answer them before they have sent the events, etcd-io/etcd#15220.)
 */
export class ConsistentReads {
  readonly #options: ConsistentReadOptions;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(options: ConsistentReadOptions) {
    this.#options = options;
  }

  async sync({ staleOk = false }: SyncOptions = {}): Promise<void> {
    try {
      await this.#join();
    } catch (error) {
      if (!staleOk) throw storeUnavailable('the newest state is not known', error);
    }
  }

  /** A question that is already asked may be answered with what was before this call: joins the next one. */
  #join(): Promise<void> {
    if (this.#running === undefined) return (this.#running = this.#start());
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return (this.#running = this.#start());
      });
    return this.#next;
  }

  #start(): Promise<void> {
    const { clock, cache } = this.#options;
    const at = clock.now();
    const asked = this.#ask().then(() => cache().confirm(at));
    const run: Promise<void> = asked.finally(() => {
      if (this.#running === run) this.#running = undefined;
    });
    return run;
  }

  async #ask(): Promise<void> {
    const { connection, cache } = this.#options;
    const { revision } = await connection.range({ key: registryPrefix, limit: 1, keysOnly: true });
    if (await this.#reaches(revision)) return;
    type Put = { readonly header: { readonly revision: string } };
    const put = await connection.call<Put>('KV', 'put', { key: Buffer.from(syncKey) });
    await cache().waitFor(Number(put.header.revision));
  }

  #reaches(revision: number): Promise<boolean> {
    const { clock, cache, patienceMs = 50 } = this.#options;
    if (cache().revision >= revision) return Promise.resolve(true);
    return new Promise((resolve) => {
      const cancel = clock.after(patienceMs, () => resolve(false));
      cache()
        .waitFor(revision)
        .then(
          () => {
            cancel();
            resolve(true);
          },
          () => resolve(false),
        );
    });
  }
}
