import { leaseNamespace, type Lease } from '../api-schemas/index.ts';
import { backoffMs } from '../kit/backoff.ts';
import { sleep } from '../kit/clock.ts';
import { messageOf } from '../kit/errors.ts';
import { leaseObject, type ElectionParts } from './election.ts';
import { keyOf } from './keys.ts';
import { EtcdLease } from './lease.ts';
import { storedForm } from './object.ts';

export interface HoldLeaseOptions {
  readonly identity: string;
  /** How long the Lease outlives its holder, in seconds. Default 10; etcd's least is 2. */
  readonly ttlSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface HeldLease {
  /** False while etcd is away or the lease is being made again. */
  readonly held: boolean;
  /** Resolves when it is held for the first time. */
  ready(): Promise<void>;
  /**
   * Has it outlive its holder by another time from now on, as long as ever when absent: for when etcd is about to be
   * away, and nobody is to think that the process is. Resolves when it is held so, or given up, or at the signal.
   */
  lasting(ttlSeconds?: number, signal?: AbortSignal): Promise<void>;
  /** Removes the Lease object, and holds it no more. */
  close(): Promise<void>;
}

/**
 * Says that this process lives: a Lease object in `orc-system` that vanishes when the process does. It
 * replaces what another process of the same name left, and is made again whenever it is lost.
 */
export function holdLease(parts: ElectionParts, name: string, options: HoldLeaseOptions): HeldLease {
  const closed = new AbortController();
  let lease: EtcdLease | undefined;
  let ttlSeconds = options.ttlSeconds;
  let change = new AbortController();
  const onHeld: (() => void)[] = [];
  let isReady = (): void => undefined;
  const ready = new Promise<void>((resolve) => (isReady = resolve));
  const run = async (): Promise<void> => {
    for (let failures = 0; !closed.signal.aborted;) {
      try {
        change = new AbortController();
        const before = lease;
        const ttl = ttlSeconds;
        const next = await hold(parts, name, {
          ...options,
          ...(ttl === undefined ? {} : { ttlSeconds: ttl }),
        });
        lease = next;
        // The object hangs on the new one by now.
        void before?.revoke();
        failures = 0;
        isReady();
        if (ttl === ttlSeconds) for (const tell of onHeld.splice(0)) tell();
        const ended = AbortSignal.any([next.lost, change.signal, closed.signal]);
        await Promise.race([aborted(ended), missing(parts, name, ended)]);
        if (change.signal.aborted && !next.lost.aborted) continue;
      } catch (error) {
        failures++;
        parts.logger.warn({ lease: name, error: messageOf(error) }, 'a lease is not held yet');
        // One that is held, and was to last for another time, is not given up for that.
        if (lease !== undefined && !lease.lost.aborted && !closed.signal.aborted) {
          await pause(failures);
          continue;
        }
      }
      await lease?.revoke();
      lease = undefined;
      await pause(failures);
    }
  };
  const pause = async (failures: number): Promise<void> => {
    const wait = backoffMs(failures, { baseMs: 50, maxMs: 1000, random: Math.random });
    await sleep(parts.clock, wait, closed.signal).catch(() => undefined);
  };
  const running = run();
  return {
    get held() {
      return lease !== undefined && !lease.lost.aborted;
    },
    ready: () => ready,
    async lasting(seconds = options.ttlSeconds, signal) {
      const isPending = onHeld.length > 0;
      if (seconds === ttlSeconds && !isPending) return;
      const held = new Promise<void>((resolve) => onHeld.push(resolve));
      if (seconds !== ttlSeconds) {
        ttlSeconds = seconds;
        change.abort();
      }
      const enough = AbortSignal.any([closed.signal, ...(signal === undefined ? [] : [signal])]);
      await Promise.race([held, aborted(enough)]);
    },
    close: async () => {
      closed.abort(new Error('The lease is given up'));
      await running;
    },
  };
}

async function hold(parts: ElectionParts, name: string, options: HoldLeaseOptions): Promise<EtcdLease> {
  const { identity, ttlSeconds = 10, labels, annotations } = options;
  const lease = await EtcdLease.grant({ ...parts, ttlSeconds });
  const made = leaseObject(name, identity, ttlSeconds, parts.clock);
  const object: Lease = {
    ...made,
    metadata: {
      ...made.metadata,
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
  const key = keyOf({ kind: 'Lease', namespace: leaseNamespace, name });
  let expect = Number(parts.cache.get('Lease', leaseNamespace, name)?.metadata.resourceVersion ?? 0);
  try {
    for (let tries = 0; tries < 5; tries++) {
      const result = await parts.writer.submit({ key, expect, value: storedForm(object), lease: lease.id });
      if (result.committed) {
        await parts.cache.waitFor(result.revision);
        return lease;
      }
      expect = result.current?.modRevision ?? 0;
    }
    throw new Error(`The lease ${name} is written by others at the same time`);
  } catch (error) {
    await lease.revoke();
    throw error;
  }
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });

/** Resolves when someone deleted the object. */
function missing({ cache }: ElectionParts, name: string, lost: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (cache.get('Lease', leaseNamespace, name) !== undefined) return;
      subscription.close();
      resolve();
    };
    const subscription = cache.watch('Lease', undefined, { onChanges: check, onReset: check });
    lost.addEventListener('abort', () => subscription.close(), { once: true });
    check();
  });
}
