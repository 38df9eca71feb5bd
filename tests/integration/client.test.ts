import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Namespace, Service } from '../../api-schemas/index.ts';
import { Client, startInformer, waitFor, WaitTimeout, type WatchEvent } from '../../client/index.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { startServer } from '../../server/index.ts';
import { ensurePki } from '../../server/pki/index.ts';
import { openStore } from '../../store/index.ts';
import { startTestApi, type TestApi } from './api-harness.ts';

let api: TestApi;
let client: Client;
let proxy: Proxy;

/** Stands between client and server, to break their connections. */
class Proxy {
  readonly #target: URL;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((socket) => {
      const out = connect(Number(this.#target.port), this.#target.hostname);
      for (const [a, b] of [
        [socket, out],
        [out, socket],
      ] as const) {
        this.#sockets.add(a);
        a.pipe(b);
        a.on('error', () => undefined);
        a.once('close', () => b.destroy());
      }
    });
  }

  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  get url(): string {
    return `https://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

const tls = (): { ca: string; cert: string; key: string } => ({
  ca: api.pki.ca.cert,
  cert: api.pki.admin.cert,
  key: api.pki.admin.key,
});

beforeAll(async () => {
  api = await startTestApi();
}, 30_000);
afterAll(() => api.stop());
beforeEach(async () => {
  proxy = new Proxy(api.url);
  await proxy.listen();
  client = new Client({ endpoints: [proxy.url], tls: tls() });
});
afterEach(async () => {
  client.close();
  await proxy.close();
});

let serial = 0;
const unique = (): string => `s${String(++serial)}`;
const service = (name: string, replicas = 1): Service => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { namespace: 'default', name },
  spec: { image: 'hello', replicas },
});

describe('the client', () => {
  test('creates, reads, changes, scales and deletes', async () => {
    const name = unique();
    const dry = await client.create(service(name), { dryRun: true });
    expect(dry.metadata.uid).toBeDefined();
    await expect(client.get('Service', { name })).rejects.toMatchObject({ code: 404, reason: 'NotFound' });
    const made = await client.create(service(name));
    await expect(client.create(service(name))).rejects.toMatchObject({ reason: 'AlreadyExists' });
    const updated = await client.update({ ...made, spec: { ...made.spec, replicas: 2 } });
    await expect(client.update({ ...made, spec: { ...made.spec, replicas: 3 } })).rejects.toMatchObject({
      reason: 'Conflict',
    });
    expect(updated.metadata.generation).toBe(2);
    expect((await client.patch('Service', { name }, 'merge', { spec: { replicas: 4 } })).spec.replicas).toBe(
      4,
    );
    const json = [{ op: 'replace', path: '/spec/replicas', value: 5 }];
    expect((await client.patch('Service', { name }, 'json', json)).spec.replicas).toBe(5);
    expect((await client.setScale('Service', { name }, 6)).spec.replicas).toBe(6);
    expect((await client.getScale('Service', { name })).spec.replicas).toBe(6);
    await client.patch('Service', { name }, 'merge', { status: { ready: 1 } }, { subresource: 'status' });
    expect((await client.get('Service', { name })).status?.ready).toBe(1);
    await client.delete('Service', { name });
    await expect(client.get('Service', { name })).rejects.toMatchObject({ code: 404 });
  });

  test('applies, and says who else owns a field', async () => {
    const name = unique();
    await client.apply(service(name, 2), { fieldManager: 'alice' });
    const conflict = client.apply(service(name, 3), { fieldManager: 'bob' });
    await expect(conflict).rejects.toMatchObject({
      reason: 'Conflict',
      message: expect.stringContaining('alice'),
    });
    expect((await client.apply(service(name, 3), { fieldManager: 'bob', force: true })).spec.replicas).toBe(
      3,
    );
    const wrong = { ...service(name), spec: { image: 'x', replcas: 1 } } as unknown as Service;
    await expect(client.apply(wrong)).rejects.toMatchObject({ code: 400 });
  });

  test('lists more than one page, as one', async () => {
    const all = Array.from({ length: 1_001 }, (_, i) => `page-${String(i).padStart(4, '0')}`);
    await Promise.all(
      all.map((name) =>
        api.store.registry.create<Namespace>({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }),
      ),
    );
    const { items, resourceVersion } = await client.list('Namespace');
    expect(items.map(({ metadata }) => metadata.name).filter((name) => name.startsWith('page-'))).toEqual(
      all,
    );
    expect(Number(resourceVersion)).toBeGreaterThan(0);
  });

  test('reads tables and raw paths', async () => {
    const name = unique();
    await client.create(service(name));
    const table = await client.table('Service', { namespace: 'default', name });
    expect(table.columnDefinitions[0]?.name).toBe('Name');
    expect(table.rows[0]?.cells[0]).toBe(name);
    expect(JSON.parse(await client.raw('GET', '/version'))).toMatchObject({ major: expect.any(String) });
  });

  test('says where it could not get to, why, and what to do', async () => {
    const url = proxy.url;
    await proxy.close();
    const alone = new Client({ endpoints: [url], tls: tls() });
    await expect(alone.list('Service')).rejects.toThrow(
      `cannot reach the orc server at ${url} (connection refused): is \`orc up\` running?`,
    );
    const both = new Client({ endpoints: [url, api.url], tls: tls() });
    expect((await both.create(service(unique()))).metadata.uid).toBeDefined();
    const strange = new Client({ endpoints: [api.url], tls: { ca: await otherCa() } });
    await expect(strange.list('Service')).rejects.toThrow(
      /certificate is not signed by the CA of this context/,
    );
    const nobody = new Client({ endpoints: [api.url], tls: { ca: api.pki.ca.cert } });
    await expect(nobody.list('Service')).rejects.toMatchObject({ code: 401 });
    for (const each of [alone, both, strange, nobody]) each.close();
    await proxy.listen();
  });
});

describe('a watch', () => {
  test('goes on where it was after the connection broke, and ends when told to', async () => {
    const [a, b] = [unique(), unique()];
    const stop = new AbortController();
    const seen: WatchEvent<Service>[] = [];
    const has = (name: string): boolean =>
      seen.some((event) => 'object' in event && event.object.metadata.name === name);
    const done = (async () => {
      for await (const event of client.watch('Service', { namespace: 'default', signal: stop.signal }))
        seen.push(event);
    })();
    await until(() => seen.length === 1);
    expect(seen[0]?.type).toBe('SYNC');
    await api.store.registry.create(service(a));
    await until(() => has(a));
    proxy.cut();
    await api.store.registry.create(service(b));
    await until(() => has(b));
    expect(seen.filter(({ type }) => type === 'SYNC')).toHaveLength(1);
    stop.abort();
    await done;
  });

  test('begins with a list again when history is gone', async () => {
    await client.create(service(unique()));
    // A store opened now knows no earlier changes.
    const store = await openStore({ endpoints: api.etcd.endpoints, logger: silentLogger });
    const server = await startServer({
      registry: store.registry,
      listen: { host: '127.0.0.1', port: 0 },
      tls: { ca: api.pki.ca.cert, cert: api.pki.server.cert, key: api.pki.server.key },
      logger: silentLogger,
      clock: systemClock,
      version: '0.0.0',
    });
    const late = new Client({ endpoints: [server.url], tls: tls() });
    for await (const event of late.watch('Service', { resourceVersion: '2' })) {
      expect(event.type).toBe('SYNC');
      break;
    }
    late.close();
    await server.close();
    await store.close();
  });

  test('brings rows as the server renders them', async () => {
    const name = unique();
    const { metadata } = await client.table('Service', { namespace: 'default' });
    await client.create(service(name));
    for await (const event of client.watchTable('Service', {
      namespace: 'default',
      resourceVersion: metadata.resourceVersion,
    })) {
      expect(event).toMatchObject({
        type: 'ADDED',
        table: { rows: [{ cells: expect.arrayContaining([name]) }] },
      });
      break;
    }
  });

  test('throws at once when no server is there, unless it is told to persist', async () => {
    await proxy.close();
    await expect(client.watch('Service').next()).rejects.toThrow(/cannot reach/);
    await proxy.listen();
  });
});

describe('an informer', () => {
  test('has what is there, through breaks and deletions it did not see', async () => {
    const [a, b] = [unique(), unique()];
    await client.create(service(a));
    const types: string[] = [];
    const informer = startInformer(
      client,
      'Service',
      { namespace: 'default' },
      {
        onChange: (type, { metadata }) => types.push(`${type} ${metadata.name}`),
      },
    );
    await informer.synced;
    expect(informer.get('default', a)?.metadata.name).toBe(a);
    proxy.cut();
    await api.store.registry.remove({ kind: 'Service', namespace: 'default', name: a });
    await api.store.registry.create(service(b));
    await until(() => informer.get('default', b));
    expect(informer.get('default', a)).toBeUndefined();
    expect(types.filter((line) => line.endsWith(` ${a}`))).toEqual([`ADDED ${a}`, `DELETED ${a}`]);
    informer.stop();
  });
});

describe('waitFor', () => {
  test('resolves with the first state that fits', async () => {
    const name = unique();
    await client.create(service(name));
    const waiting = waitFor(client, 'Service', { name }, (object) => object?.spec.replicas === 3, {
      timeoutMs: 10_000,
    });
    await client.setScale('Service', { name }, 2);
    await client.setScale('Service', { name }, 3);
    expect((await waiting)?.spec.replicas).toBe(3);
    const gone = waitFor(client, 'Service', { name }, (object) => object === undefined, {
      timeoutMs: 10_000,
    });
    await client.delete('Service', { name });
    expect(await gone).toBeUndefined();
  });

  test('gives up in time, with what it saw last', async () => {
    const name = unique();
    await client.create(service(name));
    const waiting = waitFor(client, 'Service', { name }, () => false, { timeoutMs: 200 });
    const error = await waiting.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(WaitTimeout);
    expect((error as WaitTimeout<Service>).last?.metadata.name).toBe(name);
  });
});

async function otherCa(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'orc-pki-'));
  try {
    return (await ensurePki(dir, { nodeName: 'other' })).ca.cert;
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function until(check: () => unknown): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!check()) {
    if (Date.now() > deadline) throw new Error('timed out');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
