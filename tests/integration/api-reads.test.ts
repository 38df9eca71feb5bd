import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestApi, type Answer, type TestApi } from './api-harness.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ limits: { bookmarkMs: 300 } });
}, 60_000);
afterAll(() => api.stop());

const services = '/apis/orc.dev/v1/namespaces/default/services';
const service = (name: string, spec: object = {}, metadata: object = {}): object => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name, ...metadata },
  spec: { image: 'web:1', ...spec },
});
const merge = 'application/merge-patch+json';

describe('lists', () => {
  beforeAll(async () => {
    await api.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: 'lists' } } });
    for (const name of ['a', 'b', 'c', 'd', 'e']) {
      await api.ask('POST', '/apis/orc.dev/v1/namespaces/lists/services', {
        body: service(name, {}, { labels: { even: String(name === 'b' || name === 'd') } }),
      });
    }
  });
  const path = '/apis/orc.dev/v1/namespaces/lists/services';
  const names = (answer: Answer): string[] =>
    answer.body.items.map((item: { metadata: { name: string } }) => item.metadata.name);

  test('pages are one snapshot, whatever happens in between', async () => {
    const first = await api.ask('GET', `${path}?limit=2`);
    expect(names(first)).toEqual(['a', 'b']);
    expect(first.body.metadata.remainingItemCount).toBe(3);
    await api.ask('DELETE', `${path}/c`);
    await api.ask('POST', path, { body: service('cc') });
    await api.ask('PATCH', `${path}/d`, { body: { spec: { image: 'changed' } }, type: merge });
    const second = await api.ask('GET', `${path}?limit=2&continue=${first.body.metadata.continue}`);
    expect(names(second)).toEqual(['c', 'd']);
    expect(second.body.items[1].spec.image).toBe('web:1');
    expect(second.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion);
    const third = await api.ask('GET', `${path}?limit=2&continue=${second.body.metadata.continue}`);
    expect(names(third)).toEqual(['e']);
    expect(third.body.metadata.continue).toBeUndefined();
    const exact = await api.ask(
      'GET',
      `${path}?resourceVersion=${first.body.metadata.resourceVersion}&resourceVersionMatch=Exact`,
    );
    expect(names(exact)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('selectors and their refusals', async () => {
    expect(names(await api.ask('GET', `${path}?labelSelector=even%3Dtrue`))).toEqual(['b', 'd']);
    expect(names(await api.ask('GET', `${path}?labelSelector=even%20in%20(true),!x`))).toEqual(['b', 'd']);
    expect(names(await api.ask('GET', `${path}?fieldSelector=metadata.name%3Da`))).toEqual(['a']);
    const bad = await api.ask('GET', `${path}?fieldSelector=spec.command%3Da`);
    expect(bad.body).toMatchObject({ code: 400, message: 'field label not supported: spec.command' });
    expect((await api.ask('GET', `${path}?labelSelector=a%3D%3D%3Db`)).code).toBe(400);
    expect((await api.ask('GET', `${path}?limit=-1`)).code).toBe(400);
    expect((await api.ask('GET', `${path}?limit=999999999`)).code).toBe(200);
    expect((await api.ask('GET', `${path}?limit=99999999999999999999`)).code).toBe(400);
    expect((await api.ask('GET', `${path}?continue=xxx`)).code).toBe(400);
  });

  test('as a Table and as metadata', async () => {
    const table = await api.ask('GET', path, {
      headers: { Accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' },
    });
    expect(table.body).toMatchObject({ kind: 'Table', apiVersion: 'meta.k8s.io/v1' });
    expect(table.body.columnDefinitions[0]).toMatchObject({ name: 'Name', format: 'name' });
    expect(table.body.rows[0]).toMatchObject({ object: { kind: 'PartialObjectMetadata' } });
    const partial = await api.ask('GET', path, {
      headers: { Accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' },
    });
    expect(partial.body.items[0].spec).toBeUndefined();
  });
});

describe('watches', () => {
  test('resume gap-free, and translate what enters and leaves a selector', async () => {
    const { body: listed } = await api.ask('GET', services);
    const from = listed.metadata.resourceVersion;
    const live = await api.watch(`${services}?watch=1&resourceVersion=${from}&labelSelector=w%3Dyes`);
    const { body: made } = await api.ask('POST', services, { body: service('w1') });
    await api.ask('PATCH', `${services}/w1`, { body: { metadata: { labels: { w: 'yes' } } }, type: merge });
    const added = await live.next();
    expect(added).toMatchObject({
      type: 'ADDED',
      object: { metadata: { name: 'w1', labels: { w: 'yes' } } },
    });
    const { body: left } = await api.ask('PATCH', `${services}/w1`, {
      body: { metadata: { labels: { w: 'no' } } },
      type: merge,
    });
    const deleted = await live.next();
    expect(deleted).toMatchObject({
      type: 'DELETED',
      object: { metadata: { labels: { w: 'yes' }, resourceVersion: left.metadata.resourceVersion } },
    });
    await api.ask('DELETE', `${services}/w1`);
    live.close();

    const resumed = await api.watch(`${services}?watch=true&resourceVersion=${from}`);
    const types = [];
    for (let i = 0; i < 4; i++) types.push((await resumed.next()).type);
    expect(types).toEqual(['ADDED', 'MODIFIED', 'MODIFIED', 'DELETED']);
    expect(resumed.lines[0]?.object).toEqual(made);
    expect(Number(resumed.lines[3]?.object.metadata.resourceVersion)).toBeGreaterThan(
      Number(left.metadata.resourceVersion),
    );
    resumed.close();
  });

  test('start with the present objects, mark their end, send bookmarks, and end in time', async () => {
    await api.ask('POST', services, { body: service('present') });
    const { body } = await api.ask('GET', services);
    const w = await api.watch(
      `${services}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=2`,
    );
    const mark = await w.next(({ type }) => type === 'BOOKMARK');
    expect(mark.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' });
    expect(w.lines.filter(({ type }) => type === 'ADDED')).toHaveLength(body.items.length);
    const bookmark = await w.next(({ type }) => type === 'BOOKMARK');
    expect(Number(bookmark.object.metadata.resourceVersion)).toBeGreaterThan(0);
    await w.ended;
    const zero = await api.watch(`${services}?watch=1&resourceVersion=0&timeoutSeconds=1`);
    expect((await zero.next()).type).toBe('ADDED');
    await zero.ended;
  });

  test('a version that is gone is an ERROR event, one in the future a timeout', async () => {
    const small = await startTestApi({ ring: { maxChanges: 3 } });
    for (const name of ['a', 'b', 'c', 'd', 'e']) await small.ask('POST', services, { body: service(name) });
    const old = await small.watch(`${services}?watch=1&resourceVersion=1`);
    expect(await old.next()).toMatchObject({
      type: 'ERROR',
      object: { kind: 'Status', code: 410, reason: 'Expired' },
    });
    await old.ended;
    const page = Buffer.from(JSON.stringify({ v: 1, rv: 1, start: '' })).toString('base64url');
    const gone = await small.ask('GET', `${services}?continue=${page}`);
    expect(gone.body).toMatchObject({ code: 410, reason: 'Expired' });
    await small.stop();
    const future = await api.ask('GET', `${services}?watch=1&resourceVersion=99999999`);
    expect(future.body).toMatchObject({
      code: 504,
      details: { causes: [{ reason: 'ResourceVersionTooLarge' }] },
    });
    expect((await api.ask('GET', `${services}?watch=1&resourceVersion=x`)).code).toBe(400);
  });

  test('as Tables, the columns with the first event only', async () => {
    const w = await api.watch(`${services}?watch=1&timeoutSeconds=5&fieldSelector=metadata.name%3Dtabled`, {
      headers: { Accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
    });
    await api.ask('POST', services, { body: service('tabled') });
    await api.ask('PATCH', `${services}/tabled`, { body: { spec: { image: 'y' } }, type: merge });
    const first = await w.next();
    const second = await w.next();
    expect(first.object).toMatchObject({ kind: 'Table', rows: [{}] });
    expect(first.object.columnDefinitions.length).toBeGreaterThan(1);
    expect(second.object.columnDefinitions).toBeNull();
    w.close();
  });

  test('one that does not read is dropped, and the others go on', async () => {
    const small = await startTestApi({ limits: { watchBufferBytes: 64 * 1024 } });
    try {
      const slow = await small.watch(`${services}?watch=1`);
      const fast = await small.watch(`${services}?watch=1`);
      slow.pause();
      const big = 'x'.repeat(200_000);
      const open = async (): Promise<string | undefined> =>
        /^orc_api_watches (\d+)/m.exec((await small.ask('GET', '/metrics')).text)?.[1];
      expect(await open()).toBe('2');
      let sent = 0;
      while (sent < 200 && (await open()) === '2') {
        await small.ask('POST', services, { body: service(`big${sent}`, {}, { annotations: { big } }) });
        sent++;
      }
      expect(await open()).toBe('1');
      await fast.next(({ object }) => object.metadata.name === `big${sent - 1}`);
    } finally {
      await small.stop();
    }
  }, 60_000);
});
