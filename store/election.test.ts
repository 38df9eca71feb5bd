import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import type { Service } from '../api-schemas/index.ts';
import { openTestRegistry, type TestRegistry } from './testing.ts';

const service = (name: string): Service => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { image: 'web' },
});
const lost = async (signal: AbortSignal): Promise<void> => {
  if (!signal.aborted) await once(signal, 'abort');
};

describe('an election', () => {
  let store: TestRegistry;
  beforeAll(async () => {
    store = await openTestRegistry();
  });
  afterAll(() => store.close());

  test('has one leader, which everyone sees, and hands over when it resigns', async () => {
    const other = await store.another();
    const first = await store.campaign('hand-over', { identity: 'a' });
    expect(store.cache.get('Lease', 'orc-system', 'hand-over')?.spec.holderIdentity).toBe('a');
    await other.cache.sync();
    let won = false;
    const second = other.campaign('hand-over', { identity: 'b' }).then((leadership) => {
      won = true;
      return leadership;
    });
    await other.cache.sync();
    expect(won).toBe(false);
    await first.resign();
    expect((await second).fence.createRevision).toBeGreaterThan(first.fence.createRevision);
    expect(first.lost.aborted).toBe(true);
    const lease = other.cache.get('Lease', 'orc-system', 'hand-over');
    expect(lease?.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  });

  test('refuses the writes of a deposed leader', async () => {
    const old = await store.campaign('fenced', { identity: 'same' });
    await store.registry.create(service('by-leader'), { fence: old.fence });
    const other = await store.another();
    const next = await other.campaign('fenced', { identity: 'same' });
    await lost(old.lost);
    await expect(store.registry.create(service('late'), { fence: old.fence })).rejects.toMatchObject({
      code: 409,
      reason: 'Fenced',
    });
    const ref = { kind: 'Service', namespace: 'default', name: 'by-leader' } as const;
    await expect(store.registry.remove(ref, { fence: old.fence })).rejects.toMatchObject({
      reason: 'Fenced',
    });
    await other.registry.remove(ref, { fence: next.fence });
    expect(store.cache.get('Service', 'default', 'late')).toBeUndefined();
  });

  test('ends a leadership whose lease is deleted, and can be given up while waiting', async () => {
    const leader = await store.campaign('deleted', { identity: 'a' });
    const stop = new AbortController();
    const waiting = store.campaign('deleted', { identity: 'b', signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
    await store.registry.remove({ kind: 'Lease', namespace: 'orc-system', name: 'deleted' });
    await lost(leader.lost);
    expect(String(leader.lost.reason)).toMatch(/taken away/);
  });

  test('makes a held lease again when it is deleted, and removes it at the end', async () => {
    const held = store.holdLease('server-a', { identity: 'a', ttlSeconds: 2 });
    await held.ready();
    const first = store.cache.get('Lease', 'orc-system', 'server-a')?.metadata.uid;
    const again = new Promise<string | undefined>((resolve) => {
      store.cache.watch('Lease', undefined, {
        onChanges: (changes) => {
          const made = changes.find((c) => c.type === 'ADDED' && c.object.metadata.name === 'server-a');
          if (made !== undefined) resolve(made.object.metadata.uid);
        },
        onReset: () => undefined,
      });
    });
    await store.registry.remove({ kind: 'Lease', namespace: 'orc-system', name: 'server-a' });
    expect(await again).not.toBe(first);
    await held.close();
    await store.cache.sync();
    expect(store.cache.get('Lease', 'orc-system', 'server-a')).toBeUndefined();
  });

  test('holds a lease for another time without a moment in which it is not there', async () => {
    const held = store.holdLease('server-b', { identity: 'b', ttlSeconds: 2 });
    await held.ready();
    const gone: string[] = [];
    const subscription = store.cache.watch('Lease', undefined, {
      onChanges: (changes) => {
        gone.push(
          ...changes.filter(({ type }) => type !== 'MODIFIED').map(({ object }) => object.metadata.name),
        );
      },
      onReset: () => gone.push('reset'),
    });
    const seconds = (): unknown =>
      store.cache.get('Lease', 'orc-system', 'server-b')?.spec.leaseDurationSeconds;
    await held.lasting(30);
    expect(seconds()).toBe(30);
    expect(held.held).toBe(true);
    await Promise.all([held.lasting(), held.lasting()]);
    await store.cache.sync();
    expect(seconds()).toBe(2);
    expect(gone).toEqual([]);
    subscription.close();
    await held.close();
  });

  test('keeps a lease for longer than its time to live', async () => {
    const leader = await store.campaign('long', { identity: 'a', ttlSeconds: 1 });
    await Promise.race([lost(leader.lost), new Promise((resolve) => setTimeout(resolve, 2500))]);
    expect(leader.lost.aborted).toBe(false);
  });
});
