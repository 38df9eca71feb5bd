import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestApi, type TestApi } from './api-harness.ts';

const why = 'etcd ended (fatal: no space left on device); make room on the disk';
let trouble: string | undefined;
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ storeTrouble: () => trouble });
}, 60_000);
afterAll(() => api.stop());

const services = '/apis/orc.dev/v1/namespaces/default/services';
const service = {
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { image: 'web:1' },
};

describe('while etcd is away', () => {
  test('reads show what was known and say how old it is, writes say why not, and both recover', async () => {
    await api.ask('POST', services, { body: service });
    expect((await api.ask('GET', services)).headers['warning']).toBeUndefined();
    await api.etcd.kill();
    trouble = why;

    for (const path of [services, `${services}/web`, `${services}/web/status`, '/api/v1/namespaces']) {
      const answer = await api.ask('GET', path);
      expect(answer.code).toBe(200);
      expect(answer.headers['warning']).toMatch(/^299 - "This is how things were \d+ s ago\. etcd ended/);
      expect(answer.headers['warning']).toContain('no space left on device');
    }
    const watch = await api.watch(`${services}?watch=1`);
    expect((await watch.next()).object.metadata.name).toBe('web');

    const type = 'application/merge-patch+json';
    const change = { metadata: { labels: { a: 'b' } } };
    const refused = await api.ask('PATCH', `${services}/web`, { body: change, type });
    expect(refused.body).toMatchObject({ code: 503, reason: 'StoreUnavailable' });
    expect(refused.body.message).toContain(why);
    const unready = await api.ask('GET', '/readyz');
    expect(unready.code).toBe(503);
    expect(unready.body.message).toContain(why);

    await api.etcd.start();
    trouble = undefined;
    while ((await api.ask('GET', '/readyz')).code !== 200);
    expect((await api.ask('PATCH', `${services}/web`, { body: change, type })).code).toBe(200);
    expect((await api.ask('GET', services)).headers['warning']).toBeUndefined();
    expect((await watch.next(({ type: kind }) => kind === 'MODIFIED')).object.metadata.labels).toEqual({
      a: 'b',
    });
    watch.close();
  }, 60_000);
});
