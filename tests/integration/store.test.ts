import { afterEach, describe, expect, test } from '@jest/globals';
import { cpSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Service } from '../../api-schemas/index.ts';
import { silentLogger } from '../../kit/log.ts';
import { openStore, type Change, type Store } from '../../store/index.ts';
import { openTestRegistry, type TestRegistry } from '../../store/testing.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
const open = async (...args: Parameters<typeof openTestRegistry>): Promise<TestRegistry> => {
  const store = await openTestRegistry(...args);
  ends.push(() => store.close());
  return store;
};
const until = async (done: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 10));
};

const service = (name: string, image = 'web'): Service => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name, namespace: 'default' },
  spec: { image },
});
const contents = (store: Store): string[] =>
  store.cache
    .list('Service')
    .map((s) => `${s.metadata.name}@${s.metadata.resourceVersion ?? ''}=${s.spec.image}`);
const compact = (store: Store, revision: number): Promise<unknown> =>
  store.connection.call('KV', 'compact', { revision, physical: true });

/** A TCP proxy in front of etcd that can be cut. */
async function proxy(endpoint: string): Promise<{ endpoint: string; cut(): void; mend(): void }> {
  const sockets = new Set<Socket>();
  let whole = true;
  const server = createServer((client) => {
    if (!whole) return client.destroy();
    const upstream = connect(Number(endpoint.split(':').at(-1)), '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy()).on('close', () => to.destroy());
      from.pipe(to);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => {
    whole = false;
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  ends.push(() => {
    cut();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return { endpoint: `http://127.0.0.1:${port}`, cut, mend: () => void (whole = true) };
}

async function behindProxy(
  store: TestRegistry,
): Promise<{ far: Store; link: Awaited<ReturnType<typeof proxy>> }> {
  const link = await proxy(store.etcd.endpoints[0] ?? '');
  const far = await openStore({ endpoints: [link.endpoint], logger: silentLogger });
  ends.push(() => far.close());
  return { far, link };
}

describe('watches', () => {
  test('see every change once and in order, wherever they start, while many write', async () => {
    const store = await open();
    const other = await store.another();
    const names = Array.from({ length: 20 }, (_, i) => `s${i}`);
    await Promise.all(names.map((name) => store.registry.create(service(name, '0'))));
    await other.cache.sync();
    const start = other.cache.revision;
    const all: Change<Service>[] = [];
    const collect = (into: Change<Service>[]) => ({
      onChanges: (changes: readonly Change[]) => void into.push(...(changes as Change<Service>[])),
      onReset: () => expect('a reset').toBe('never'),
    });
    other.cache.watch('Service', undefined, collect(all));
    const late: { from: number; seen: Change<Service>[] }[] = [];
    const write = (from: Store, name: string) =>
      from.registry.modify<Service>({ kind: 'Service', namespace: 'default', name }, (s) => ({
        ...s,
        spec: { image: String(Number(s.spec.image) + 1) },
      }));
    for (let round = 0; round < 30; round++) {
      const writes = names.map((name, i) => write(i % 2 === 0 ? store : other, name));
      const from = start + Math.floor(Math.random() * (other.cache.revision - start + 1));
      const seen: Change<Service>[] = [];
      other.cache.watch('Service', from, collect(seen));
      late.push({ from, seen });
      await Promise.all(writes);
    }
    await other.cache.sync();
    expect(all).toHaveLength(600);
    for (const name of names) {
      const images = all.filter((c) => c.object.metadata.name === name).map((c) => c.object.spec.image);
      expect(images).toEqual(Array.from({ length: 30 }, (_, i) => String(i + 1)));
    }
    for (const { from, seen } of late) expect(seen).toEqual(all.filter((c) => c.revision > from));
  });

  test('catch up after an interruption, over more than one message can hold', async () => {
    const store = await open();
    const { far, link } = await behindProxy(store);
    const seen: Change[] = [];
    far.cache.watch('Service', undefined, {
      onChanges: (changes) => void seen.push(...changes),
      onReset: () => expect('a reset').toBe('never'),
    });
    link.cut();
    const image = 'x'.repeat(50_000);
    await Promise.all(Array.from({ length: 300 }, (_, i) => store.registry.create(service(`s${i}`, image))));
    await expect(far.cache.sync()).rejects.toMatchObject({ code: 503, reason: 'StoreUnavailable' });
    await far.cache.sync({ staleOk: true });
    expect(far.health().connected).toBe(false);
    link.mend();
    await until(() => far.cache.revision === store.cache.revision);
    expect(contents(far)).toEqual(contents(store));
    expect(seen).toHaveLength(300);
  });

  test('are told to list again when what they missed is compacted', async () => {
    const store = await open();
    const { far, link } = await behindProxy(store);
    const made = await store.registry.create(service('gone'));
    await store.registry.create(service('stays'));
    await far.cache.waitFor(store.cache.revision);
    let resets = 0;
    far.cache.watch('Service', undefined, { onChanges: () => undefined, onReset: () => void resets++ });
    link.cut();
    await store.registry.remove({ kind: 'Service', namespace: 'default', name: 'gone' });
    await store.registry.create(service('new'));
    await compact(store, store.cache.revision);
    link.mend();
    await until(() => resets === 1);
    expect(contents(far)).toEqual(contents(store));
    expect(far.cache.get('Service', 'default', 'gone')).toBeUndefined();
    const old = Number(made.metadata.resourceVersion);
    expect(() =>
      far.cache.watch('Service', old, { onChanges: () => undefined, onReset: () => undefined }),
    ).toThrow(/too old resource version/);
    await far.registry.create(service('after'));
    expect(far.metrics().resets).toBe(1);
  });

  test('hold in an etcd that others use, too', async () => {
    const store = await open();
    const other = await store.another();
    for (let i = 0; i < 3; i++) {
      await other.registry.create(service(`s${i}`));
      await store.connection.call('KV', 'put', { key: Buffer.from('/elsewhere'), value: Buffer.from('x') });
      await store.cache.sync();
      expect(store.cache.list('Service')).toHaveLength(i + 1);
    }
  });
});

describe('an etcd that is killed', () => {
  test('loses nothing that was acknowledged, and the caches go on', async () => {
    const store = await open();
    const other = await store.another();
    const acknowledged = new Map<string, number>();
    let stop = false;
    const writers = Array.from({ length: 50 }, async (_, i) => {
      const name = `s${i}`;
      await store.registry.create(service(name, '0'));
      acknowledged.set(name, 0);
      for (let n = 1; !stop; n++) {
        await store.registry.modify<Service>({ kind: 'Service', namespace: 'default', name }, (s) => ({
          ...s,
          spec: { image: String(Number(s.spec.image) + 1) },
        }));
        acknowledged.set(name, n);
      }
    });
    for (let round = 0; round < 4; round++) {
      await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 200));
      await store.etcd.restart();
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    stop = true;
    await Promise.all(writers);
    await Promise.all([store.cache.sync(), other.cache.sync()]);
    const fresh = await store.another();
    expect(acknowledged.size).toBe(50);
    // Each counted its own acknowledged increments, so one lost or made twice would show.
    for (const [name, count] of acknowledged)
      expect(`${name} ${fresh.cache.get('Service', 'default', name)?.spec.image ?? ''}`).toBe(
        `${name} ${count}`,
      );
    expect(contents(store)).toEqual(contents(fresh));
    expect(contents(other)).toEqual(contents(fresh));
    expect(store.metrics()).toMatchObject({ resets: 0, failed: 0 });
    expect(store.metrics().resent).toBeGreaterThan(0);
  });

  test('and restored from an older backup is noticed and read anew', async () => {
    const store = await open();
    await store.registry.create(service('old'));
    const data = join(store.etcd.dataDir, 'data');
    const backup = join(store.etcd.dataDir, 'backup');
    await store.etcd.kill();
    cpSync(data, backup, { recursive: true });
    await store.etcd.start();
    await store.registry.create(service('lost-1'));
    await store.registry.create(service('lost-2'));
    const reset = new Promise<void>((resolve) =>
      store.cache.watch('Service', undefined, { onChanges: () => undefined, onReset: resolve }),
    );
    await store.etcd.kill();
    rmSync(data, { recursive: true });
    cpSync(backup, data, { recursive: true });
    await store.etcd.start();
    await reset;
    expect(store.cache.list('Service').map((s) => s.metadata.name)).toEqual(['old']);
    await store.registry.create(service('new'));
  });

  test('ends leaderships when it stays away for longer than their time to live', async () => {
    const store = await open();
    const leader = await store.campaign('c', { identity: 'a', ttlSeconds: 1 });
    const lost = once(leader.lost, 'abort');
    await store.etcd.kill();
    await lost;
    await store.etcd.start();
    const next = await store.campaign('c', { identity: 'b', ttlSeconds: 1 });
    expect(next.fence.createRevision).toBeGreaterThan(leader.fence.createRevision);
  });
});

describe('a large registry', () => {
  test('of more than 17 MB is listed in pages, all at one revision', async () => {
    const store = await open();
    const image = 'x'.repeat(9_000);
    const count = 2000;
    await Promise.all(
      Array.from({ length: count }, (_, i) => store.registry.create(service(`s${i}`, image))),
    );
    await store.registry.create(service('a-large-one', 'x'.repeat(1_000_000)));
    const fresh = await store.another();
    expect(fresh.cache.list('Service')).toHaveLength(count + 1);
    expect(contents(fresh)).toEqual(contents(store));
    expect(fresh.cache.revision).toBe(store.cache.revision);
  });
});

describe('a full etcd', () => {
  test('is still read, says why it takes no writes, and goes on when things are deleted', async () => {
    const quota = 20 * 1024 * 1024;
    const store = await open({ maintenanceMs: 100 }, { args: [`--quota-backend-bytes=${quota}`] });
    const image = 'x'.repeat(500_000);
    let made = 0;
    const fill = async (): Promise<void> => {
      for (;;) {
        await store.registry.create(service(`s${made}`, image));
        made++;
      }
    };
    await expect(fill()).rejects.toMatchObject({ code: 503, reason: 'StoreFull' });
    await until(async () => {
      await expect(fill()).rejects.toThrow(/--quota-backend-bytes/);
      return store.health().full;
    });
    await store.cache.sync();
    expect(store.cache.list('Service')).toHaveLength(made);
    const fresh = await store.another();
    expect(contents(fresh)).toEqual(contents(store));
    for (let i = 0; i < made; i += 2)
      await store.registry.remove({ kind: 'Service', namespace: 'default', name: `s${i}` });
    await until(() =>
      store.registry.create(service('again')).then(
        () => true,
        () => false,
      ),
    );
    await until(() => !store.health().full);
  });
});
