import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KindName } from '../../api-schemas/index.ts';
import { startTestApi, type TestApi } from './api-harness.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ limits: { inFlight: 20 } });
}, 60_000);
afterAll(() => api.stop());

const services = '/apis/orc.dev/v1/namespaces/default/services';
const stored = (): number => api.store.cache.list('Service').length;
const healthy = async (): Promise<boolean> => (await api.ask('GET', services)).code === 200;

async function socket(): Promise<TLSSocket> {
  const { hostname, port } = new URL(api.url);
  const { cert, key } = api.pki.admin;
  const open = connect({ host: hostname, port: Number(port), ca: api.pki.ca.cert, cert, key });
  await once(open, 'secureConnect');
  open.on('error', () => undefined);
  return open;
}

async function answerOf(open: TLSSocket): Promise<string> {
  let text = '';
  open.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(open, 'close');
  return text;
}

const minimal = '{"apiVersion":"orc.dev/v1","kind":"Service","metadata":{"name":"cut"},"spec":{"image":"x"}}';
const post = (length: number, body: string): string =>
  `POST ${services} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`;

describe('bodies', () => {
  test('one cut off half-way stores nothing', async () => {
    const before = stored();
    for (const length of [minimal.length + 1, minimal.length * 2]) {
      const open = await socket();
      open.write(post(length, minimal));
      await new Promise((resolve) => setTimeout(resolve, 50));
      open.destroy();
    }
    const half = await api.ask('POST', services, { raw: minimal.slice(0, -10) });
    expect(half.body).toMatchObject({ code: 400, reason: 'BadRequest' });
    await new Promise((resolve) => setTimeout(resolve, 200));
    await api.store.cache.sync();
    expect(stored()).toBe(before);
    expect(await healthy()).toBe(true);
  });

  test('one too large is refused, announced or not', async () => {
    const announced = await socket();
    announced.write(post(5 * 1024 * 1024, '{'));
    expect(await answerOf(announced)).toMatch(/^HTTP\/1.1 413 /);
    const chunked = await socket();
    chunked.write(`POST ${services} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const chunk = `${(65536).toString(16)}\r\n${'x'.repeat(65536)}\r\n`;
    const answered = answerOf(chunked);
    for (let i = 0; i < 80 && !chunked.destroyed; i++) chunked.write(chunk);
    expect(await answered).toMatch(/^HTTP\/1.1 413 /);
  });

  test('hostile JSON is refused and pollutes nothing', async () => {
    const bodies = [
      '{"__proto__":{"polluted":1},"apiVersion":"orc.dev/v1","kind":"Service","metadata":{"name":"p"},"spec":{"image":"x"}}',
      '{"apiVersion":"orc.dev/v1","kind":"Service","metadata":{"name":"p","labels":{"__proto__":"x"}},"spec":{"image":"x"}}',
      '{"apiVersion":"orc.dev/v1","kind":"Service","metadata":{"name":"p"},"spec":{"image":"x","constructor":{"prototype":{"polluted":1}}}}',
      `${'['.repeat(2_000_000)}`,
      `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
      `{"a":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`,
      'null',
      '"x"',
      '[]',
      '',
      '\ufeff\ufeff{}',
    ];
    for (const raw of bodies) {
      const answer = await api.ask('POST', services, { raw });
      expect({ raw: raw.slice(0, 60), code: answer.code }).toEqual({ raw: raw.slice(0, 60), code: 400 });
    }
    expect((await api.ask('POST', services, { raw: Buffer.from([0x7b, 0xff, 0xfe, 0x7d]) })).code).toBe(400);
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    const odd = await api.ask('POST', services, {
      body: {
        apiVersion: 'orc.dev/v1',
        kind: 'Service',
        metadata: { name: 'odd', labels: { constructor: 'x', toString: 'y' } },
        spec: { image: 'x' },
      },
    });
    expect(odd.body.metadata.labels).toEqual({ constructor: 'x', toString: 'y' });
    const merged = await api.ask('PATCH', `${services}/odd`, {
      raw: '{"metadata":{"labels":{"valueOf":"z"}}}',
      type: 'application/merge-patch+json',
    });
    expect(merged.body.metadata.labels).toEqual({ constructor: 'x', toString: 'y', valueOf: 'z' });
  });

  test('random objects are answered with 201, 400 or 422, never 500', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          apiVersion: fc.constantFrom('orc.dev/v1', 'v1', 7),
          kind: fc.constantFrom('Service', 'Stack', 'Nope', null),
          metadata: fc.oneof(
            fc.jsonValue(),
            fc.record({
              name: fc.oneof(fc.string(), fc.constant('r')),
              labels: fc.jsonValue(),
              finalizers: fc.jsonValue(),
              managedFields: fc.jsonValue(),
              ownerReferences: fc.jsonValue(),
            }),
          ),
          spec: fc.oneof(
            fc.jsonValue(),
            fc.record({
              image: fc.jsonValue(),
              ports: fc.jsonValue(),
              env: fc.jsonValue(),
              replicas: fc.jsonValue(),
              mounts: fc.jsonValue(),
            }),
          ),
        }),
        fc.constantFrom('POST', 'PUT', 'PATCH merge', 'PATCH apply', 'PATCH json'),
        async (body, how) => {
          const [method = '', kind] = how.split(' ');
          const type =
            kind === undefined
              ? 'application/json'
              : kind === 'merge'
                ? 'application/merge-patch+json'
                : kind === 'json'
                  ? 'application/json-patch+json'
                  : 'application/apply-patch+yaml';
          const path = method === 'POST' ? services : `${services}/odd?fieldManager=f`;
          const payload = kind === 'json' ? [{ op: 'add', path: '/spec/x', value: body }, body] : body;
          const { code } = await api.ask(method, path, { body: payload, type });
          return [200, 201, 400, 404, 409, 422].includes(code);
        },
      ),
      { numRuns: 400 },
    );
    expect(await healthy()).toBe(true);
  }, 60_000);
});

describe('paths and queries', () => {
  test('names that would leave their place are refused', async () => {
    const paths = ['..%2f..%2fx', '%2e%2e', 'a%2fb', 'a%00b', '%zz', 'a%0ab', '..;', 'x%25y'].map(
      (name) => `${services}/${name}`,
    );
    for (const path of [...paths, '//evil/x', '/api/v1/namespaces/%2e%2e/events']) {
      const { code } = await api.ask('GET', path);
      expect({ path, ok: code === 400 || code === 404 }).toEqual({ path, ok: true });
    }
    for (const name of ['../x', 'a/b', 'A', '', 'a'.repeat(300), '..']) {
      const body = { apiVersion: 'orc.dev/v1', kind: 'Service', metadata: { name }, spec: { image: 'x' } };
      expect((await api.ask('POST', services, { body })).code).toBe(422);
    }
  });

  test('queries that make no sense are refused', async () => {
    for (const query of [
      'limit=x',
      'limit=1e9',
      'continue=%00',
      'continue=eyJ2IjoxfQ',
      'continue=eyJ2IjoxLCJydiI6LTEsInN0YXJ0IjoiIn0',
      'labelSelector=((((',
      'labelSelector=a%20in%20(b',
      'labelSelector=%2Ca',
      'fieldSelector=a',
      'fieldSelector=__proto__%3Dx',
      'resourceVersion=-1',
      'resourceVersion=abc',
      'resourceVersionMatch=Exact',
      'watch=maybe',
      'watch=1&timeoutSeconds=x',
    ]) {
      const { code } = await api.ask('GET', `${services}?${query}`);
      expect({ query, code }).toEqual({ query, code: 400 });
    }
  });
});

describe('pressure', () => {
  test('more requests than can be under way get 429 with Retry-After', async () => {
    const held = await Promise.all(Array.from({ length: 20 }, () => socket()));
    for (const open of held) open.write(post(1000, '{'));
    await new Promise((resolve) => setTimeout(resolve, 200));
    const refused = await api.ask('GET', services);
    expect(refused.code).toBe(429);
    expect(refused.headers['retry-after']).toBe('1');
    expect((await api.ask('GET', '/healthz', { as: null })).code).toBe(200);
    for (const open of held) open.destroy();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await healthy()).toBe(true);
  });

  test('without a store, reads say how old they are and health still answers', async () => {
    const own = await startTestApi();
    try {
      await own.etcd.kill();
      expect((await own.ask('GET', '/livez', { as: null })).code).toBe(200);
      expect((await own.ask('GET', `${services}?resourceVersion=0`)).code).toBe(200);
      const ready = await own.ask('GET', '/readyz', { as: null });
      expect(ready.code).toBe(503);
      const read = await own.ask('GET', services);
      expect(read.body).toMatchObject({ kind: 'ServiceList' });
      expect(read.headers['warning']).toContain('The store (etcd) cannot be reached');
      await own.etcd.start();
      let code = 0;
      for (let i = 0; i < 100 && code !== 200; i++) {
        ({ code } = await own.ask('GET', services));
        if (code !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(code).toBe(200);
    } finally {
      await own.stop();
    }
  }, 60_000);
});

test('all kinds are listed', async () => {
  const kinds: readonly (readonly [KindName, string])[] = [
    ['Stack', '/apis/orc.dev/v1/stacks'],
    ['Task', '/apis/orc.dev/v1/tasks'],
    ['Node', '/apis/orc.dev/v1/nodes'],
    ['Revision', '/apis/orc.dev/v1/revisions'],
    ['Endpoints', '/apis/orc.dev/v1/endpoints'],
    ['Network', '/apis/orc.dev/v1/networks'],
    ['Event', '/api/v1/events'],
    ['Namespace', '/api/v1/namespaces'],
    ['Lease', '/apis/coordination.k8s.io/v1/leases'],
  ];
  for (const [kind, path] of kinds) expect((await api.ask('GET', path)).body.kind).toBe(`${kind}List`);
});
