import type { Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import type { Connection } from './connection.ts';

export interface LeaseOptions {
  readonly connection: Pick<Connection, 'call' | 'keepAlive'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly ttlSeconds: number;
}

type KeepAliveStream = Awaited<ReturnType<Connection['keepAlive']>>;

/**
 * One etcd lease, renewed every third of its time to live. `lost` fires when etcd says that it is gone, or
 * when it was not renewed for its whole time to live: no later than etcd itself lets it go.
 */
export class EtcdLease {
  readonly id: string;
  readonly lost: AbortSignal;

  readonly #options: LeaseOptions;
  readonly #ttlMs: number;
  readonly #lost = new AbortController();
  #renewedAt: number;
  #askedAt: number | undefined;
  #stream: KeepAliveStream | undefined;
  #cancelTimer = (): void => undefined;

  private constructor(id: string, ttlMs: number, grantedAt: number, options: LeaseOptions) {
    this.id = id;
    this.#options = options;
    this.#ttlMs = ttlMs;
    this.#renewedAt = grantedAt;
    this.lost = this.#lost.signal;
    this.#tick();
  }

  /** Rejects when etcd does not answer. etcd may grant longer than asked (2 s at least). */
  static async grant(options: LeaseOptions): Promise<EtcdLease> {
    const grantedAt = options.clock.now();
    type Grant = { readonly ID: string; readonly TTL: string };
    const grant = await options.connection.call<Grant>('Lease', 'leaseGrant', { TTL: options.ttlSeconds });
    return new EtcdLease(grant.ID, Number(grant.TTL) * 1000, grantedAt, options);
  }

  /** Gives the lease up; its keys go at once. Never rejects: at worst the lease runs out. */
  async revoke(): Promise<void> {
    this.#end('it was given up');
    await this.#options.connection.call('Lease', 'leaseRevoke', { ID: this.id }).catch((error: unknown) => {
      this.#options.logger.debug(
        { error: messageOf(error) },
        'a lease could not be revoked; it will run out',
      );
    });
  }

  #tick(): void {
    const { clock } = this.#options;
    const left = this.#renewedAt + this.#ttlMs - clock.now();
    if (left <= 0) return this.#end('it was not renewed in time');
    void this.#ask();
    this.#cancelTimer = clock.after(Math.min(this.#ttlMs / 3, left), () => {
      if (!this.lost.aborted) this.#tick();
    });
  }

  async #ask(): Promise<void> {
    try {
      const stream = (this.#stream ??= await this.#open());
      if (this.lost.aborted) return stream.cancel();
      this.#askedAt = this.#options.clock.now();
      stream.write({ ID: this.id });
    } catch (error) {
      this.#stream = undefined;
      this.#options.logger.debug({ error: messageOf(error) }, 'a lease could not be renewed yet');
    }
  }

  async #open(): Promise<KeepAliveStream> {
    const stream = await this.#options.connection.keepAlive();
    const closed = (): void => {
      if (this.#stream === stream) this.#stream = undefined;
    };
    stream.on('error', closed);
    stream.on('end', closed);
    stream.on('data', ({ TTL }) => {
      if (Number(TTL) <= 0) return this.#end('etcd let it go');
      if (this.#askedAt !== undefined) this.#renewedAt = this.#askedAt;
    });
    return stream;
  }

  #end(why: string): void {
    if (this.lost.aborted) return;
    this.#cancelTimer();
    this.#stream?.on('error', () => undefined);
    this.#stream?.cancel();
    this.#lost.abort(new Error(`The etcd lease ${this.id} is lost: ${why}`));
  }
}
