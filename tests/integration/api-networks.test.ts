/** What the API admits of networks, and what it refuses. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestApi, type Answer, type TestApi } from './api-harness.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
}, 60_000);
afterAll(() => api.stop());

const at = (plural: string): string => `/apis/orc.dev/v1/namespaces/default/${plural}`;
const object = (kind: string, name: string, spec: object): object => ({
  apiVersion: 'orc.dev/v1',
  kind,
  metadata: { name },
  spec,
});
const make = (kind: string, name: string, spec: object): Promise<Answer> =>
  api.ask('POST', at(`${kind.toLowerCase()}s`), { body: object(kind, name, spec) });
const merge = (plural: string, name: string, body: object): Promise<Answer> =>
  api.ask('PATCH', `${at(plural)}/${name}`, { body, type: 'application/merge-patch+json' });
const causes = ({ body }: Answer): unknown => (body as { details?: { causes?: unknown } }).details?.causes;

describe('a Network', () => {
  test('is held by the controller from its creation', async () => {
    const made = await make('Network', 'a', { subnet: '10.1.0.0/20' });
    expect(made.code).toBe(201);
    expect(made.body).toMatchObject({ metadata: { finalizers: ['orc.dev/network'] } });
  });

  test('cannot change while it lives, but for its labels', async () => {
    await make('Network', 'b', { internal: true });
    const changed = await merge('networks', 'b', { spec: { internal: false } });
    expect(changed.code).toBe(422);
    expect(causes(changed)).toMatchObject([
      {
        field: 'spec',
        message: expect.stringMatching(/cannot change while it lives.*another name, or delete/),
      },
    ]);
    expect((await merge('networks', 'b', { metadata: { labels: { a: 'b' } } })).code).toBe(200);
  });
});

describe('a Stack', () => {
  test('takes networks in and out, and changes none in place', async () => {
    const services = { web: { image: 'i', networks: [{ name: 'back' }] } };
    expect((await make('Stack', 'shop', { services, networks: { back: {} } })).code).toBe(201);
    const changed = await merge('stacks', 'shop', { spec: { networks: { back: { mtu: 1400 } } } });
    expect(changed.code).toBe(422);
    expect(causes(changed)).toMatchObject([{ field: 'spec.networks.back' }]);
    expect((await merge('stacks', 'shop', { spec: { networks: { front: {}, back: null } } })).code).toBe(200);
  });
});

describe('a Service', () => {
  test('has its networks owned one by one: two managers each add one', async () => {
    const apply = (manager: string, name: string): Promise<Answer> =>
      api.ask('PATCH', `${at('services')}/web?fieldManager=${manager}`, {
        body: object('Service', 'web', { image: 'i', networks: [{ name }] }),
        type: 'application/apply-patch+yaml',
      });
    expect((await apply('one', 'a')).code).toBe(201);
    const both = await apply('two', 'b');
    expect(both.code).toBe(200);
    expect(both.body).toMatchObject({ spec: { networks: [{ name: 'a' }, { name: 'b' }] } });
  });

  test('publishes no port of mode `local` that another has, in any mode', async () => {
    const ports = (mode: string): object => ({ image: 'i', ports: [{ target: 80, published: 8100, mode }] });
    expect((await make('Service', 'first', ports('local'))).code).toBe(201);
    for (const mode of ['local', 'ingress']) {
      const second = await make('Service', `second-${mode}`, ports(mode));
      expect(second.code).toBe(422);
      expect(causes(second)).toMatchObject([
        { message: expect.stringContaining('already published by service default/first') },
      ]);
    }
  });
});
