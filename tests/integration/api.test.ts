import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Service } from '../../api-schemas/index.ts';
import { startTestApi, type Answer, type TestApi } from './api-harness.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
}, 60_000);
afterAll(() => api.stop());

const services = '/apis/orc.dev/v1/namespaces/default/services';
const service = (name: string, spec: object = {}, metadata: object = {}): object => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Service',
  metadata: { name, ...metadata },
  spec: { image: 'web:1', ...spec },
});
const stacks = '/apis/orc.dev/v1/namespaces/default/stacks';
const merge = 'application/merge-patch+json';
const applyType = 'application/apply-patch+yaml';
const apply = (path: string, manager: string, body: object, query = ''): Promise<Answer> =>
  api.ask('PATCH', `${path}?fieldManager=${manager}${query}`, { body, type: applyType });

describe('who may ask', () => {
  test('without a certificate only health and version are answered', async () => {
    for (const path of ['/healthz', '/livez', '/readyz', '/version']) {
      expect((await api.ask('GET', path, { as: null })).code).toBe(200);
    }
    for (const path of [services, '/metrics', '/api', '/apis', '/openapi/v3', '/nothing']) {
      const answer = await api.ask('GET', path, { as: null });
      expect(answer.code).toBe(401);
      expect(answer.body).toMatchObject({
        kind: 'Status',
        status: 'Failure',
        reason: 'Unauthorized',
        code: 401,
      });
    }
  });

  test('a user outside system:masters and a node are forbidden, with the reason', async () => {
    for (const [name, group] of [
      ['bob', 'users'],
      ['system:node:n1', 'system:nodes'],
    ] as const) {
      const as = await api.certificate(name, group);
      const answer = await api.ask('GET', services, { as });
      expect(answer.code).toBe(403);
      expect(answer.body.message).toContain(
        `User "${name}" cannot list resource "services" in API group "orc.dev"`,
      );
      expect((await api.ask('GET', '/metrics', { as })).code).toBe(403);
    }
  });

  test('a certificate of another authority counts as none', async () => {
    const other = await startTestApi();
    try {
      expect((await api.ask('GET', services, { as: other.pki.admin })).code).toBe(401);
    } finally {
      await other.stop();
    }
  });
});

describe('create, get, update, delete', () => {
  test('a created object has identity, is stored as written, and is found at once', async () => {
    const made = await api.ask('POST', services, { body: service('one', { replicas: 2 }) });
    expect(made.code).toBe(201);
    expect(made.body.metadata).toMatchObject({ name: 'one', namespace: 'default', generation: 1 });
    expect(made.body.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.body.spec).toEqual({ image: 'web:1', replicas: 2 });
    expect(made.body.metadata.managedFields[0]).toMatchObject({ manager: 'test', operation: 'Update' });
    const got = await api.ask('GET', `${services}/one`);
    expect(got.body).toEqual(made.body);
  });

  test('a second object of the name is AlreadyExists', async () => {
    await api.ask('POST', services, { body: service('two') });
    const again = await api.ask('POST', services, { body: service('two') });
    expect(again.body).toMatchObject({
      code: 409,
      reason: 'AlreadyExists',
      message: 'services.orc.dev "two" already exists',
      details: { name: 'two', group: 'orc.dev', kind: 'services' },
    });
  });

  test('generateName makes a name', async () => {
    const made = await api.ask('POST', services, {
      body: { ...service(''), metadata: { generateName: 'gen-' } },
    });
    expect(made.code).toBe(201);
    expect(made.body.metadata.name).toMatch(/^gen-[a-z0-9]{5}$/);
  });

  test('the refusals name what is wrong', async () => {
    const missing = await api.ask('GET', `${services}/nope`);
    expect(missing.body).toMatchObject({ code: 404, message: 'services.orc.dev "nope" not found' });
    const elsewhere = await api.ask('POST', services.replace('default', 'gone'), { body: service('a') });
    expect(elsewhere.body).toMatchObject({ code: 404, message: 'namespaces "gone" not found' });
    const invalid = await api.ask('POST', services, { body: service('bad', { replicas: -1 }) });
    expect(invalid.code).toBe(422);
    expect(invalid.body.details).toMatchObject({ kind: 'Service', causes: [{ field: 'spec.replicas' }] });
    const unknown = await api.ask('POST', services, { body: service('bad', { replcas: 1 }) });
    expect(unknown.code).toBe(400);
    expect(unknown.body.message).toContain('strict decoding error: unknown field "spec.replcas"');
    const kind = await api.ask('POST', services, { body: { ...service('bad'), kind: 'Stack' } });
    expect(kind.code).toBe(400);
    const namespace = await api.ask('POST', services, { body: service('bad', {}, { namespace: 'x' }) });
    expect(namespace.code).toBe(400);
    const versioned = await api.ask('POST', services, { body: service('bad', {}, { resourceVersion: '1' }) });
    expect(versioned.code).toBe(400);
    const text = await api.ask('POST', services, { raw: 'x=1', type: 'application/x-www-form-urlencoded' });
    expect(text.code).toBe(415);
    expect((await api.ask('PUT', services, { body: {} })).code).toBe(405);
    expect((await api.ask('GET', '/apis/orc.dev/v1/namespaces/default/nothing')).code).toBe(404);
    expect((await api.ask('GET', `${services}/a/b/c`)).code).toBe(404);
    expect((await api.ask('GET', services, { headers: { Accept: 'text/html' } })).code).toBe(406);
  });

  test('unknown fields can be warned of or ignored, and are not stored', async () => {
    const warned = await api.ask('POST', `${services}?fieldValidation=Warn`, {
      body: service('warned', { foo: 1 }),
    });
    expect(warned.code).toBe(201);
    expect(warned.headers.warning).toContain('299 - "unknown field \\"spec.foo\\""');
    expect(warned.body.spec).toEqual({ image: 'web:1' });
    const ignored = await api.ask('POST', `${services}?fieldValidation=Ignore`, {
      body: service('ignored', { foo: 1 }),
    });
    expect(ignored.headers.warning).toBeUndefined();
    expect(ignored.body.spec).toEqual({ image: 'web:1' });
  });

  test('an update needs the version it replaces', async () => {
    const made = (await api.ask('POST', services, { body: service('upd') })).body;
    const bare = await api.ask('PUT', `${services}/upd`, { body: service('upd') });
    expect(bare.body).toMatchObject({ code: 422, reason: 'Invalid' });
    const changed = { ...made, spec: { image: 'web:2' }, status: { ready: 9 } };
    const put = await api.ask('PUT', `${services}/upd`, { body: changed });
    expect(put.code).toBe(200);
    expect(put.body.metadata.generation).toBe(2);
    expect(put.body.status).toBeUndefined();
    const stale = await api.ask('PUT', `${services}/upd`, { body: changed });
    expect(stale.body).toMatchObject({ code: 409, reason: 'Conflict' });
    const same = await api.ask('PUT', `${services}/upd`, { body: put.body });
    expect(same.body.metadata.resourceVersion).toBe(put.body.metadata.resourceVersion);
    const renamed = await api.ask('PUT', `${services}/upd`, {
      body: { ...put.body, metadata: { ...put.body.metadata, name: 'x' } },
    });
    expect(renamed.code).toBe(400);
  });

  test('the status subresource changes status and nothing else', async () => {
    await api.ask('POST', services, { body: service('st') });
    const patched = await api.ask('PATCH', `${services}/st/status`, {
      body: { spec: { image: 'no' }, status: { ready: 3 } },
      type: merge,
    });
    expect(patched.code).toBe(200);
    expect(patched.body).toMatchObject({
      spec: { image: 'web:1' },
      status: { ready: 3 },
      metadata: { generation: 1 },
    });
    const main = await api.ask('PATCH', `${services}/st`, { body: { status: { ready: 4 } }, type: merge });
    expect(main.body.status).toEqual({ ready: 3 });
  });

  test('deleting answers what is gone, or what finalizers keep', async () => {
    const made = (await api.ask('POST', services, { body: service('del') })).body;
    const wrong = await api.ask('DELETE', `${services}/del`, { body: { preconditions: { uid: 'x' } } });
    expect(wrong.code).toBe(409);
    const dry = await api.ask('DELETE', `${services}/del`, { body: { dryRun: ['All'] } });
    expect(dry.body.status).toBe('Success');
    const gone = await api.ask('DELETE', `${services}/del`, { body: { propagationPolicy: 'Background' } });
    expect(gone.body).toMatchObject({
      kind: 'Status',
      status: 'Success',
      details: { name: 'del', group: 'orc.dev', kind: 'services', uid: made.metadata.uid },
    });
    expect((await api.ask('DELETE', `${services}/del`)).code).toBe(404);

    await api.ask('POST', stacks, {
      body: {
        apiVersion: 'orc.dev/v1',
        kind: 'Stack',
        metadata: { name: 's' },
        spec: { services: { a: { image: 'x' } } },
      },
    });
    const kept = await api.ask('DELETE', `${stacks}/s`);
    expect(kept.body).toMatchObject({ kind: 'Stack', metadata: { finalizers: ['orc.dev/stack'] } });
    expect(kept.body.metadata.deletionTimestamp).toBeDefined();
    const again = await api.ask('POST', stacks, { body: { ...kept.body, metadata: { name: 's' } } });
    expect(again.code).toBe(409);
    expect(again.body.message).toContain('object is being deleted: stacks.orc.dev "s" already exists');
    const freed = await api.ask('PATCH', `${stacks}/s`, {
      body: { metadata: { finalizers: null } },
      type: merge,
    });
    expect(freed.code).toBe(200);
    expect((await api.ask('GET', `${stacks}/s`)).code).toBe(404);
  });

  test('a collection is deleted by selector', async () => {
    for (const name of ['c1', 'c2', 'c3']) {
      await api.ask('POST', services, {
        body: service(name, {}, { labels: { set: name === 'c3' ? 'b' : 'a' } }),
      });
    }
    const answer = await api.ask('DELETE', `${services}?labelSelector=set%3Da`);
    expect(answer.body.items).toHaveLength(2);
    expect((await api.ask('GET', `${services}/c1`)).code).toBe(404);
    expect((await api.ask('GET', `${services}/c3`)).code).toBe(200);
  });

  test('a dry run says what would be and stores nothing', async () => {
    const made = await api.ask('POST', `${services}?dryRun=All`, { body: service('dry') });
    expect(made.code).toBe(201);
    expect(made.body.metadata.uid).toBeDefined();
    expect((await api.ask('GET', `${services}/dry`)).code).toBe(404);
    const { body: live } = await api.ask('POST', services, { body: service('dry2') });
    const patched = await api.ask('PATCH', `${services}/dry2?dryRun=All`, {
      body: { spec: { image: 'x' } },
      type: merge,
    });
    expect(patched.body.metadata).toMatchObject({
      generation: 2,
      resourceVersion: live.metadata.resourceVersion,
    });
    expect((await api.ask('GET', `${services}/dry2`)).body).toEqual(live);
    expect((await api.ask('POST', `${services}?dryRun=Some`, { body: service('d') })).code).toBe(400);
  });
});

describe('patches', () => {
  test('merge patch, JSON patch and their refusals', async () => {
    await api.ask('POST', services, { body: service('p', { env: [{ name: 'A', value: '1' }] }) });
    const path = `${services}/p`;
    const empty = await api.ask('PATCH', path, { body: {}, type: merge });
    const merged = await api.ask('PATCH', path, { body: { metadata: { labels: { a: 'b' } } }, type: merge });
    expect(merged.body.metadata.labels).toEqual({ a: 'b' });
    expect(merged.body.metadata.generation).toBe(1);
    expect(empty.body.metadata.resourceVersion).not.toBe(merged.body.metadata.resourceVersion);
    const json = (body: unknown): Promise<Answer> =>
      api.ask('PATCH', path, { body, type: 'application/json-patch+json' });
    const replaced = await json([
      { op: 'test', path: '/spec/image', value: 'web:1' },
      { op: 'replace', path: '/spec/image', value: 'web:2' },
    ]);
    expect(replaced.body.spec.image).toBe('web:2');
    expect((await json([{ op: 'test', path: '/spec/image', value: 'no' }])).code).toBe(422);
    expect((await json([{ op: 'remove', path: '/spec/nothing' }])).code).toBe(422);
    expect((await json({ op: 'remove' })).code).toBe(400);
    expect((await json([{ op: 'add', path: '/spec/__proto__/x', value: 1 }])).code).toBe(400);
    const bomb = Array.from({ length: 60 }, () => ({ op: 'copy', from: '/spec', path: '/spec/x' }));
    expect([413, 422, 400]).toContain((await json(bomb)).code);
    const strategic = await api.ask('PATCH', path, {
      body: {},
      type: 'application/strategic-merge-patch+json',
    });
    expect(strategic.body).toMatchObject({
      code: 415,
      message:
        'the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml',
    });
  });

  test('a storm of patches of one object loses none', async () => {
    await api.ask('POST', services, { body: service('storm') });
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        api.ask('PATCH', `${services}/storm`, {
          body: { metadata: { annotations: { [`k${i}`]: 'x' } } },
          type: merge,
        }),
      ),
    );
    const done = answers.filter(({ code }) => code === 200).length;
    expect(answers.every(({ code }) => code === 200 || code === 409)).toBe(true);
    const { body } = await api.ask('GET', `${services}/storm`);
    expect(Object.keys(body.metadata.annotations)).toHaveLength(done);
    expect(done).toBeGreaterThan(4);
  });
});

describe('server-side apply', () => {
  test('creates, updates, gives up fields, and names the other manager in a conflict', async () => {
    const path = `${services}/ssa`;
    const made = await apply(
      path,
      'alice',
      service('ssa', { replicas: 2, env: [{ name: 'A', value: '1' }] }),
    );
    expect(made.code).toBe(201);
    const again = await apply(
      path,
      'alice',
      service('ssa', { replicas: 2, env: [{ name: 'A', value: '1' }] }),
    );
    expect(again.code).toBe(200);
    expect(again.body.metadata.resourceVersion).toBe(made.body.metadata.resourceVersion);
    const conflict = await apply(path, 'bob', service('ssa', { replicas: 3 }));
    expect(conflict.body).toMatchObject({
      code: 409,
      reason: 'Conflict',
      message: 'Apply failed with 1 conflict: conflict with "alice": .spec.replicas',
      details: {
        causes: [
          { reason: 'FieldManagerConflict', message: 'conflict with "alice"', field: '.spec.replicas' },
        ],
      },
    });
    const forced = await apply(
      path,
      'bob',
      service('ssa', { replicas: 3, env: [{ name: 'B' }] }),
      '&force=true',
    );
    expect(forced.body.spec).toMatchObject({ replicas: 3 });
    expect(forced.body.spec.env.map((one: { name: string }) => one.name).sort()).toEqual(['A', 'B']);
    const less = await apply(path, 'alice', service('ssa'));
    expect(less.body.spec.env).toEqual([{ name: 'B' }]);
    expect(less.body.spec.replicas).toBe(3);
    const nobody = await api.ask('PATCH', path, { body: service('ssa'), type: applyType });
    expect(nobody.code).toBe(400);
    const managed = await apply(path, 'x', service('ssa', {}, { managedFields: [] }));
    expect(managed.code).toBe(400);
  });

  test('takes YAML, and refuses bombs and nonsense', async () => {
    const yaml = 'apiVersion: orc.dev/v1\nkind: Service\nmetadata: {name: yml}\nspec: {image: "web:1"}\n';
    const send = (raw: string): Promise<Answer> =>
      api.ask('PATCH', `${services}/yml?fieldManager=a`, { raw, type: applyType });
    expect((await send(yaml)).code).toBe(201);
    const laughs = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefghij'
        .split('')
        .map((c, i) => `${c}: &${c} [${Array(9).fill(`*${'abcdefghi'[i]}`).join(',')}]`),
    ].join('\n');
    expect((await send(laughs)).code).toBe(400);
    expect((await send('a: [')).code).toBe(400);
    expect((await send('- 1')).code).toBe(400);
    expect((await send(`${'['.repeat(5000)}`)).code).toBe(400);
    expect((await send(`a: ${'{a: '.repeat(3000)}`)).code).toBe(400);
  });

  test('status has its own managers', async () => {
    await apply(`${services}/sst`, 'alice', service('sst'));
    const status = await apply(`${services}/sst/status`, 'ctl', {
      apiVersion: 'orc.dev/v1',
      kind: 'Service',
      metadata: { name: 'sst' },
      status: { ready: 1 },
    });
    expect(status.code).toBe(200);
    const entry = status.body.metadata.managedFields.find(
      (one: { manager: string }) => one.manager === 'ctl',
    );
    expect(entry).toMatchObject({
      operation: 'Apply',
      subresource: 'status',
      fieldsV1: { 'f:status': { 'f:ready': {} } },
    });
    expect(status.body.spec.image).toBe('web:1');
  });
});

describe('field managers of controllers', () => {
  test('an apply that changes what a controller wrote is told which controller', async () => {
    const { store } = api;
    const { fence, resign } = await store.campaign('controller-stack', { identity: 'test' });
    const made = service('made', { replicas: 2 }, { namespace: 'default' }) as Service;
    const written = await store.registry.create<Service>(made, { fence });
    await store.registry.update<Service>(
      { ...written, status: { ready: 1 } },
      { fence, manager: 'orc-replicas' },
    );
    const { metadata } = (await api.ask('GET', `${services}/made`)).body;
    const who = (metadata.managedFields as readonly { manager: string; subresource?: string }[]).map(
      ({ manager, subresource = '' }) => `${manager} ${subresource}`.trim(),
    );
    expect(who.sort()).toEqual(['orc-replicas status', 'orc-stack']);
    const refused = await apply(`${services}/made`, 'me', service('made', { replicas: 3 }));
    expect(refused.code).toBe(409);
    expect(refused.body.message).toContain('conflict with "orc-stack"');
    expect(refused.body.details.causes[0].field).toBe('.spec.replicas');
    // Once the controller writes the field again, it is the controller's again.
    expect(
      (await apply(`${services}/made`, 'me', service('made', { replicas: 3 }), '&force=true')).code,
    ).toBe(200);
    await store.registry.modify<Service>(
      { kind: 'Service', namespace: 'default', name: 'made' },
      (current) => ({ ...current, spec: { ...current.spec, replicas: 4 } }),
      { fence },
    );
    const again = await apply(`${services}/made`, 'me', service('made', { replicas: 3 }));
    expect(again.body.message).toContain('conflict with "orc-stack"');
    await resign();
  });
});

describe('scale', () => {
  test('reads and writes replicas', async () => {
    await api.ask('POST', services, { body: service('sc') });
    const got = await api.ask('GET', `${services}/sc/scale`);
    expect(got.body).toMatchObject({ kind: 'Scale', apiVersion: 'autoscaling/v1', spec: { replicas: 1 } });
    const scaled = await api.ask('PATCH', `${services}/sc/scale`, {
      body: { spec: { replicas: 7 } },
      type: merge,
    });
    expect(scaled.body.spec.replicas).toBe(7);
    const { body } = await api.ask('GET', `${services}/sc`);
    expect(body.spec.replicas).toBe(7);
    expect(body.metadata.generation).toBe(2);
    const bad = await api.ask('PATCH', `${services}/sc/scale`, {
      body: { spec: { replicas: -1 } },
      type: merge,
    });
    expect(bad.code).toBe(422);
    const put = await api.ask('PUT', `${services}/sc/scale`, {
      body: { ...scaled.body, spec: { replicas: 2 } },
    });
    expect(put.body.spec.replicas).toBe(2);
    await api.ask('POST', services, { body: service('glob', { mode: 'global' }) });
    const global = await api.ask('PATCH', `${services}/glob/scale`, {
      body: { spec: { replicas: 2 } },
      type: merge,
    });
    expect(global.code).toBe(422);
    expect(global.body.message).toContain('mode "global"');
  });
});

describe('admission', () => {
  const namespaces = '/api/v1/namespaces';

  test('default and orc-system are there and stay', async () => {
    for (const name of ['default', 'orc-system']) {
      const { body } = await api.ask('GET', `${namespaces}/${name}`);
      expect(body.status.phase).toBe('Active');
      expect((await api.ask('DELETE', `${namespaces}/${name}`)).code).toBe(403);
    }
  });

  test('a terminating namespace takes nothing new', async () => {
    await api.ask('POST', namespaces, { body: { metadata: { name: 'leaving' } } });
    const gone = await api.ask('DELETE', `${namespaces}/leaving`);
    expect(gone.body.metadata.finalizers).toEqual(['orc.dev/namespace']);
    expect((await api.ask('GET', `${namespaces}/leaving`)).body.status.phase).toBe('Terminating');
    const refused = await api.ask('POST', services.replace('default', 'leaving'), { body: service('late') });
    expect(refused.code).toBe(403);
    expect(refused.body.message).toContain('because it is being terminated');
  });

  test('a published port has one holder, who is named', async () => {
    const ports = [{ target: 80, published: 18080 }];
    expect((await api.ask('POST', services, { body: service('holder', { ports }) })).code).toBe(201);
    const refused = await api.ask('POST', services, { body: service('other', { ports }) });
    expect(refused.code).toBe(422);
    expect(refused.body.details.causes[0]).toMatchObject({ field: 'spec.ports[0].published' });
    expect(refused.body.message).toContain('already published by service default/holder');
    const udp = [{ target: 80, published: 18080, protocol: 'udp' }];
    expect((await api.ask('POST', services, { body: service('udp', { ports: udp }) })).code).toBe(201);
    const stack = {
      apiVersion: 'orc.dev/v1',
      kind: 'Stack',
      metadata: { name: 'ported' },
      spec: { services: { web: { image: 'x', ports } } },
    };
    const inStack = await api.ask('POST', stacks, { body: stack });
    expect(inStack.body.details.causes[0]).toMatchObject({ field: 'spec.services.web.ports[0].published' });
    const both = await Promise.all(
      ['r1', 'r2', 'r3'].map((name) =>
        api.ask('POST', services, { body: service(name, { ports: [{ target: 1, published: 18081 }] }) }),
      ),
    );
    expect(both.map(({ code }) => code).sort()).toEqual([201, 422, 422]);
  });

  test("the API's own port is nobody's to publish, and the refusal says whose it is", async () => {
    const own = Number(new URL(api.url).port);
    const post = (port: object): Promise<Answer> =>
      api.ask('POST', services, { body: service('greedy', { ports: [{ target: 80, ...port }] }) });
    for (const port of [{ published: own }, { published: own, mode: 'host' }]) {
      const refused = await post(port);
      expect(refused.code).toBe(422);
      expect(refused.body.details.causes[0]).toMatchObject({ field: 'spec.ports[0].published' });
      expect(refused.body.message).toContain(
        `held by the API of orc itself, which listens on 127.0.0.1:${own}`,
      );
    }
    const specs = { web: { image: 'x', ports: [{ target: 80, published: own }] } };
    const stack = { apiVersion: 'orc.dev/v1', kind: 'Stack', metadata: { name: 'greedy' } };
    const inStack = await api.ask('POST', stacks, { body: { ...stack, spec: { services: specs } } });
    expect(inStack.body.details.causes[0]).toMatchObject({ field: 'spec.services.web.ports[0].published' });
    // What does not take the API's traffic is allowed.
    expect((await post({ published: own, protocol: 'udp' })).code).toBe(201);
  });

  test('what controllers write is not for users', async () => {
    const task = {
      apiVersion: 'orc.dev/v1',
      kind: 'Task',
      metadata: { name: 't1', namespace: 'default' },
      spec: { service: 's', revision: 'r', desiredState: 'Running' },
    } as const;
    const tasks = '/apis/orc.dev/v1/namespaces/default/tasks';
    expect((await api.ask('POST', tasks, { body: task })).code).toBe(403);
    await api.store.registry.create({ ...task });
    const patched = await api.ask('PATCH', `${tasks}/t1`, {
      body: { spec: { desiredState: 'Shutdown' } },
      type: merge,
    });
    expect(patched.code).toBe(403);
    expect(patched.body.message).toContain('written by a controller');
    const labelled = await api.ask('PATCH', `${tasks}/t1`, {
      body: { metadata: { labels: { a: 'b' } } },
      type: merge,
    });
    expect(labelled.code).toBe(200);
    expect((await api.ask('DELETE', `${tasks}/t1`)).code).toBe(200);
  });

  test('mode cannot change', async () => {
    await api.ask('POST', services, { body: service('mode') });
    const answer = await api.ask('PATCH', `${services}/mode`, {
      body: { spec: { mode: 'global' } },
      type: merge,
    });
    expect(answer.code).toBe(422);
    expect(answer.body.details.causes[0].field).toBe('spec.mode');
  });
});

describe('other paths', () => {
  test('reviews, cluster-info, metrics and version', async () => {
    const review = await api.ask('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
      body: { spec: { resourceAttributes: { verb: 'get', resource: 'services', group: 'orc.dev' } } },
    });
    expect(review).toMatchObject({ code: 201, body: { status: { allowed: true } } });
    const who = await api.ask('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', { body: {} });
    expect(who.body.status.userInfo).toMatchObject({ username: 'admin' });
    const info = await api.ask(
      'GET',
      '/apis/orc.dev/v1/namespaces/kube-system/services?labelSelector=kubernetes.io%2Fcluster-service%3Dtrue',
    );
    expect(info.body).toMatchObject({ kind: 'ServiceList', apiVersion: 'v1', items: [] });
    const metrics = await api.ask('GET', '/metrics');
    expect(metrics.text).toContain('orc_api_requests_total{verb="create",resource="services",code="201"}');
    expect((await api.ask('GET', '/version')).body.gitVersion).toMatch(/^v1\.33\.0\+orc\./);
  });

  test('events are found by what they are about', async () => {
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: 'e1', namespace: 'default' },
      involvedObject: { kind: 'Service', name: 'holder', namespace: 'default', uid: 'u1' },
      reason: 'Tested',
      message: 'hello',
      type: 'Normal',
      count: 1,
      firstTimestamp: '2030-01-01T00:00:00Z',
      lastTimestamp: '2030-01-01T00:00:00Z',
      source: { component: 'test' },
    } as const;
    await api.store.registry.create(event as never);
    const found = await api.ask(
      'GET',
      '/api/v1/namespaces/default/events?fieldSelector=involvedObject.name%3Dholder,involvedObject.kind%3DService,involvedObject.uid%3Du1,reason%3DTested,type%3DNormal,source%3Dtest',
    );
    expect(found.body.items).toHaveLength(1);
    const none = await api.ask('GET', '/api/v1/events?fieldSelector=involvedObject.name%3Dnope');
    expect(none.body.items).toHaveLength(0);
  });
});
