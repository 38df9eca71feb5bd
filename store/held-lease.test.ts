import { EventEmitter } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { systemClock } from '../kit/clock.ts';
import { silentLogger } from '../kit/log.ts';
import type { ElectionParts } from './election.ts';
import { holdLease } from './held-lease.ts';

/** An etcd in which each write that is due to fail does. */
function fakeEtcd(failing: readonly number[]) {
  const alive = new Map<string, number>();
  let granted = 0;
  let writes = 0;
  /** The lease that the object hangs on. */
  let lease = '';
  const parts = {
    clock: systemClock,
    logger: silentLogger,
    connection: {
      call(_service: string, method: string, { ID = '', TTL = 0 }: { ID?: string; TTL?: number }) {
        if (method === 'leaseRevoke') alive.delete(ID);
        else alive.set(String(++granted), TTL);
        return Promise.resolve({ ID: String(granted), TTL: String(TTL) });
      },
      keepAlive() {
        const stream = Object.assign(new EventEmitter(), {
          write: () => setImmediate(() => stream.emit('data', { TTL: '3' })),
          cancel: () => undefined,
        });
        return Promise.resolve(stream);
      },
    },
    writer: {
      submit(write: { readonly lease: string }) {
        writes += 1;
        if (failing.includes(writes)) return Promise.reject(new Error('etcdserver: leader changed'));
        lease = write.lease;
        return Promise.resolve({ committed: true, revision: writes });
      },
    },
    cache: {
      get: () => ({ metadata: { resourceVersion: '1' } }),
      watch: () => ({ close: () => undefined }),
      waitFor: () => Promise.resolve(),
    },
  } as unknown as ElectionParts;
  return { parts, ttl: () => alive.get(lease) };
}

describe('a lease that is held', () => {
  test('is not given up when it cannot be held for another time at once', async () => {
    const { parts, ttl } = fakeEtcd([2, 3]);
    const held = holdLease(parts, 'server-a', { identity: 'a', ttlSeconds: 3 });
    await held.ready();
    const seen = new Set([ttl()]);
    const looking = setInterval(() => seen.add(ttl()), 1);
    await Promise.all([held.lasting(30), held.lasting(30)]);
    clearInterval(looking);
    expect(ttl()).toBe(30);
    expect([...seen]).not.toContain(undefined);
    expect(held.held).toBe(true);
    await held.close();
    expect(ttl()).toBeUndefined();
  });

  test('lets go who waits for it at a signal', async () => {
    const { parts } = fakeEtcd(Array.from({ length: 50 }, (_, i) => i + 2));
    const held = holdLease(parts, 'server-a', { identity: 'a', ttlSeconds: 3 });
    await held.ready();
    const stop = new AbortController();
    const waiting = held.lasting(30, stop.signal);
    stop.abort();
    await waiting;
    await held.close();
  });
});
