import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../kit/clock.ts';
import { silentLogger } from '../kit/log.ts';
import { WatchCache } from './cache.ts';
import { RevisionBuffer } from './feed.ts';
import { nextPage } from './list.ts';
import type { WatchEvent, WatchResponse } from './proto.ts';
import type { Change } from './types.ts';

const put = (key: string, body: object, revision: number): WatchEvent => ({
  kind: 'put',
  kv: {
    key: `/orc/registry/${key}`,
    value: Buffer.from(JSON.stringify(body)),
    createRevision: revision,
    modRevision: revision,
    version: 1,
  },
});
const remove = (key: string, revision: number): WatchEvent => ({
  kind: 'delete',
  kv: { ...put(key, {}, revision).kv, value: Buffer.alloc(0) },
});
const task = (name: string, spec: object = {}, namespace = 'default', metadata: object = {}) => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name, namespace, uid: `uid-${name}`, ...metadata },
  spec: { service: 'web', ...spec },
});
const newCache = (ring = {}): { cache: WatchCache; clock: FakeClock } => {
  const clock = new FakeClock();
  const cache = new WatchCache({ clock, logger: silentLogger, sync: () => Promise.resolve(), ring });
  cache.reset([], 10);
  return { cache, clock };
};
const record = (): {
  seen: Change[][];
  resets: number[];
  onChanges(c: readonly Change[]): void;
  onReset(): void;
} => {
  const seen: Change[][] = [];
  const resets: number[] = [];
  return { seen, resets, onChanges: (changes) => seen.push([...changes]), onReset: () => resets.push(1) };
};

describe('the watch cache', () => {
  test('lists in the order of etcd keys, by kind and namespace, and not anew while nothing changed', () => {
    const { cache } = newCache();
    const names = ['b', 'a', 'c'];
    cache.apply(
      names.map((n) => put(`tasks/default/${n}`, task(n), 11)),
      11,
    );
    cache.apply([put('tasks/default-2/x', task('x', {}, 'default-2'), 12)], 12);
    expect(cache.list('Task', 'default').map((t) => t.metadata.name)).toEqual(['a', 'b', 'c']);
    expect(cache.list('Task').map((t) => t.metadata.name)).toEqual(['x', 'a', 'b', 'c']);
    const before = cache.list('Task', 'default');
    expect(cache.list('Task', 'default')).toBe(before);
    cache.apply([remove('tasks/default/b', 13)], 13);
    expect(cache.list('Task', 'default').map((t) => t.metadata.name)).toEqual(['a', 'c']);
    expect(before).toHaveLength(3);
    expect(cache.list('Service')).toEqual([]);
  });

  test('freezes objects to their leaves and gives them their resourceVersion', () => {
    const { cache } = newCache();
    cache.apply([put('tasks/default/a', task('a', { env: [{ name: 'A' }] }), 11)], 11);
    const object = cache.get('Task', 'default', 'a') as unknown as {
      metadata: { resourceVersion: string };
      spec: { env: { name: string }[] };
    };
    expect(object.metadata.resourceVersion).toBe('11');
    expect(Object.isFrozen(object.spec.env[0])).toBe(true);
  });

  test('finds objects by node, service, owner and uid as they change', () => {
    const { cache } = newCache();
    const owned = {
      ownerReferences: [{ apiVersion: 'x', kind: 'Service', name: 'web', uid: 'u1', controller: true }],
    };
    cache.apply([put('tasks/default/a', task('a', {}, 'default', owned), 11)], 11);
    expect(cache.by('Task', 'node', 'n1')).toEqual([]);
    cache.apply([put('tasks/default/a', task('a', { nodeName: 'n1' }, 'default', owned), 12)], 12);
    const a = cache.get('Task', 'default', 'a');
    expect(cache.by('Task', 'node', 'n1')).toEqual([a]);
    expect(cache.by('Task', 'service', 'default/web')).toEqual([a]);
    expect(cache.by('Task', 'owner', 'u1')).toEqual([a]);
    expect(cache.by('Task', 'uid', 'uid-a')).toEqual([a]);
    cache.apply([remove('tasks/default/a', 13)], 13);
    expect(cache.by('Task', 'node', 'n1')).toEqual([]);
    expect(cache.by('Task', 'owner', 'u1')).toEqual([]);
  });

  test('finds what is on a network, and the networks a node is in', () => {
    const { cache } = newCache();
    const at = (kind: string, name: string, more: object) => ({
      kind,
      metadata: { name, namespace: 'd' },
      ...more,
    });
    cache.apply(
      [
        put('tasks/d/t', at('Task', 't', { spec: { networks: ['a', 'b'] } }), 11),
        put('services/d/s', at('Service', 's', { spec: { networks: [{ name: 'a' }] } }), 11),
        put('services/d/u', at('Service', 'u', { spec: {} }), 11),
        put('services/d/h', at('Service', 'h', { spec: { networkMode: 'host' } }), 11),
        put('endpoints/d/s', at('Endpoints', 's', { networks: [{ network: 'b' }] }), 11),
        put(
          'networks/d/a',
          at('Network', 'a', { spec: {}, status: { nodes: { n1: { gateway: 'x' } } } }),
          11,
        ),
      ],
      11,
    );
    const found = (...[kind, index, value]: Parameters<WatchCache['by']>): string =>
      cache
        .by(kind, index, value)
        .map(({ metadata }) => metadata.name)
        .join();
    expect(found('Task', 'network', 'd/a') + found('Task', 'network', 'd/b')).toBe('tt');
    expect(found('Service', 'network', 'd/a')).toBe('s');
    expect(found('Service', 'network', 'd/default')).toBe('u');
    expect(found('Endpoints', 'network', 'd/b')).toBe('s');
    expect(found('Network', 'node', 'n1')).toBe('a');
    cache.apply([put('networks/d/a', at('Network', 'a', { spec: {}, status: { nodes: {} } }), 12)], 12);
    expect(found('Network', 'node', 'n1')).toBe('');
  });

  test('finds services by the ports they publish', () => {
    const { cache } = newCache();
    const web = {
      kind: 'Service',
      metadata: { name: 'web' },
      spec: { ports: [{ target: 80, published: 8080 }, { target: 53 }] },
    };
    cache.apply([put('services/default/web', web, 11)], 11);
    expect(cache.by('Service', 'port', 'tcp/8080')).toHaveLength(1);
    expect(cache.by('Service', 'port', 'tcp/0')).toHaveLength(0);
  });

  test('replays what was missed and goes on with what comes, each revision as one', () => {
    const { cache } = newCache();
    cache.apply([put('tasks/default/a', task('a'), 11), put('tasks/default/b', task('b'), 11)], 11);
    cache.apply([put('nodes/n', { kind: 'Node', metadata: { name: 'n' } }, 12)], 12);
    const watcher = record();
    const subscription = cache.watch('Task', 10, watcher);
    cache.apply([remove('tasks/default/a', 13)], 13);
    expect(watcher.seen.map((unit) => unit.map((c) => `${c.type} ${c.object.metadata.name}`))).toEqual([
      ['ADDED a', 'ADDED b'],
      ['DELETED a'],
    ]);
    expect(watcher.seen[1]?.[0]?.object.metadata.resourceVersion).toBe('13');
    expect(watcher.seen[1]?.[0]?.previous?.metadata.resourceVersion).toBe('11');
    subscription.close();
    cache.apply([put('tasks/default/c', task('c'), 14)], 14);
    expect(watcher.seen).toHaveLength(2);
    const inclusive = record();
    cache.watch('Task', 13, inclusive, { inclusive: true });
    expect(inclusive.seen.flat().map((c) => c.revision)).toEqual([13, 14]);
  });

  test('answers 410 for what it has forgotten', () => {
    const { cache } = newCache({ maxChanges: 3 });
    for (let r = 11; r < 20; r++) cache.apply([put(`tasks/default/t${r}`, task(`t${r}`), r)], r);
    expect(cache.oldestRevision).toBe(16);
    expect(() => cache.watch(undefined, 15, record())).toThrow(
      expect.objectContaining({ code: 410, reason: 'Expired' }),
    );
    const watcher = record();
    cache.watch(undefined, 16, watcher);
    expect(watcher.seen.map(([c]) => c?.revision)).toEqual([17, 18, 19]);
  });

  test('drops a watcher that throws, and only that one', () => {
    const { cache } = newCache();
    const good = record();
    let calls = 0;
    cache.watch('Task', undefined, {
      onChanges: () => {
        calls++;
        throw new Error('bad');
      },
      onReset: () => undefined,
    });
    cache.watch('Task', undefined, good);
    cache.apply([put('tasks/default/a', task('a'), 11)], 11);
    cache.apply([remove('tasks/default/a', 12)], 12);
    expect(calls).toBe(1);
    expect(good.seen).toHaveLength(2);
  });

  test('tells watchers to list again when it was rebuilt', () => {
    const { cache } = newCache();
    const watcher = record();
    cache.watch(undefined, undefined, watcher);
    cache.reset([], 50);
    expect(watcher.resets).toHaveLength(1);
    expect(cache.oldestRevision).toBe(50);
  });

  test('wakes those who wait for a revision, and not forever', async () => {
    const { cache, clock } = newCache();
    const wait = cache.waitFor(12);
    cache.apply([put('tasks/default/a', task('a'), 13)], 13);
    await wait;
    const never = expect(cache.waitFor(99)).rejects.toMatchObject({ code: 504 });
    clock.advance(10_000);
    await never;
  });

  test('leaves out what it cannot read', () => {
    const { cache } = newCache();
    const bad = put('tasks/default/a', {}, 11);
    cache.apply([{ ...bad, kv: { ...bad.kv, value: Buffer.from('{') } }, put('~sync', {}, 11)], 11);
    expect(cache.list('Task')).toEqual([]);
    expect(cache.revision).toBe(11);
  });
});

describe('a revision that comes in fragments', () => {
  const response = (events: WatchEvent[], fragment: boolean): WatchResponse => ({
    revision: 0,
    created: false,
    canceled: false,
    compactRevision: 0,
    cancelReason: '',
    fragment,
    events,
  });
  test('is applied when it is whole', () => {
    const buffer = new RevisionBuffer();
    const applied: [number, number][] = [];
    const apply = (events: readonly WatchEvent[], revision: number): void =>
      void applied.push([revision, events.length]);
    buffer.add(response([put('a', {}, 1), put('b', {}, 2)], true), apply);
    expect(applied).toEqual([[1, 1]]);
    buffer.add(response([put('c', {}, 2), put('d', {}, 3)], true), apply);
    expect(applied).toEqual([
      [1, 1],
      [2, 2],
    ]);
    buffer.add(response([], false), apply);
    expect(applied).toEqual([
      [1, 1],
      [2, 2],
      [3, 1],
    ]);
  });
});

test('a page of a list weighs about a megabyte, whatever its objects weigh', () => {
  expect(nextPage(256, 256 * 1024)).toBe(1024);
  expect(nextPage(256, 256 * 1024 * 1024)).toBe(1);
  expect(nextPage(10, 100)).toBe(10_000);
});
