/** The CLI against a real API server on a real etcd; the test plays the controllers. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createServer, type AddressInfo } from 'node:net';
import type { Service } from '../../api-schemas/index.ts';
import type { Ran } from '../../cli/testing.ts';
import { condition, serviceText, stackText, startTestCli, type TestCli } from './cli-harness.ts';

let t: TestCli;
beforeAll(async () => {
  t = await startTestCli();
});
afterAll(() => t.stop());

describe('get', () => {
  beforeAll(async () => {
    await t.cli(
      'apply',
      '-f',
      t.file('get.yml', [serviceText('get-a'), serviceText('get-b'), stackText('get-s')].join('---\n')),
      '-n',
      'default',
    );
  });

  test('prints tables as kubectl does', async () => {
    const { out } = await t.cli('get', 'svc', 'get-a', 'get-b');
    expect(out).toMatch(/^NAME {4}MODE {9}REPLICAS {3}IMAGE/);
    expect(out.split('\n')[1]).toMatch(/^get-a {3}replicated/);
    expect((await t.cli('get', 'service/get-a', '-o', 'name')).out).toBe('service/get-a\n');
    expect((await t.cli('get', 'services,stacks')).out).toMatch(
      /^NAME .*\nservice\/[^]*\n\nNAME .*\nstack\//,
    );
  });

  test('hides managed fields in YAML unless asked', async () => {
    expect((await t.cli('get', 'svc', 'get-a', '-o', 'yaml')).out).not.toContain('managedFields');
    expect((await t.cli('get', 'svc', 'get-a', '-o', 'yaml', '--show-managed-fields')).out).toContain(
      'managedFields',
    );
    expect(JSON.parse((await t.cli('get', 'svc', '-o', 'json')).out)).toMatchObject({ kind: 'List' });
  });

  test('prints what is there, and fails for what is not', async () => {
    const { code, out, err } = await t.cli('get', 'svc', 'get-a', 'nope');
    expect(code).toBe(1);
    expect(out).toContain('get-a');
    expect(err).toBe('error: services.orc.dev "nope" not found\n');
    expect(await t.cli('get', 'leases', '-n', 'void')).toEqual({
      code: 0,
      out: '',
      err: 'No resources found in void namespace.\n',
    });
  });

  test('follows changes with -w, in the same columns', async () => {
    const watch = t.start('get', 'svc', 'get-a', '-w');
    await watch.seen('get-a');
    await t.playService('get-a', 1, condition('Ready', 'True', ''));
    await watch.seen('1/1');
    await t.cli('apply', '-f', t.file('get-a.yml', serviceText('get-a', 'web:7')));
    await watch.seen('web:7');
    const { code, out } = await watch.stop();
    expect(code).toBeUndefined();
    expect(out.split('\n').filter((line) => line.startsWith('NAME'))).toHaveLength(1);
  });
});

describe('get -w of several kinds', () => {
  /** What came after the first `lines` lines. */
  const since = (out: string, lines: number): readonly string[] => out.split('\n').slice(lines, -1);

  test('begins with each kind in order, then shows changes of each under its own column names', async () => {
    await t.cli('apply', '-f', t.file('many.yml', serviceText('many')));
    const service = t.stored('many');
    if (service === undefined) throw new Error('not stored');
    const task = await t.playTask(service, 1, { state: 'Preparing' });
    const watch = t.start('get', 'tasks,services', '-l', 'watched=yes', '-w');
    const mark = (kind: string, name: string): Promise<Ran> => t.cli('label', kind, name, 'watched=yes');
    await mark('service', 'many');
    await watch.seen('service/many');
    await mark('task', task.metadata.name);
    await watch.seen(`task/${task.metadata.name}`);
    await t.playService('many', 1, condition('Ready', 'True', ''));
    await watch.seen('1/1');
    const { out } = await watch.stop();
    expect(since(out, 0).map((line) => line.split(/ +/)[0])).toEqual([
      ...['NAME', 'service/many', ''],
      ...['NAME', `task/${task.metadata.name}`, ''],
      ...['NAME', 'service/many'],
    ]);
    expect(since(out, 0)[0]).toContain('REPLICAS');
    expect(since(out, 3)[0]).toContain('RESTARTS');

    const again = t.start('get', 'tasks,services', '-l', 'watched=yes', '-w');
    await again.seen('service/many');
    const present = (await again.stop()).out;
    expect(present).toMatch(/^NAME .*\ntask\/many-.*\n\nNAME .*\nservice\/many .*\n$/);
    expect((await t.cli('get', 'tasks,services', '-l', 'watched=yes')).out).toBe(present);
  });

  test('follows several objects of one kind in one table', async () => {
    const watch = t.start('get', 'svc', 'get-a', 'get-b', '-w', '-o', 'wide');
    await watch.seen('get-b');
    await t.playService('get-b', 1, condition('Ready', 'True', ''));
    await watch.seen(/get-b .* 1\/1/);
    const { out } = await watch.stop();
    expect(since(out, 0).map((line) => line.split(/ +/)[0])).toEqual(['NAME', 'get-a', 'get-b', 'get-b']);
  });

  test('ends at once when one of them cannot be followed', async () => {
    const { code, err } = await t.cli('get', 'services,tasks', '--field-selector', 'spec.nope=1', '-w');
    expect(code).toBe(1);
    expect(err).toContain('spec.nope');
  });
});

describe('describe', () => {
  test('leads with what is wrong', async () => {
    await t.cli('apply', '-f', t.file('sick.yml', serviceText('sick')));
    const service = t.stored('sick');
    if (service === undefined) throw new Error('not stored');
    await t.playTask(service, 1, {
      state: 'Pending',
      reason: 'NoNodeFits',
      message: 'no node fits: n1: too little memory; n2: is draining',
    });
    const { out } = await t.cli('describe', 'service', 'sick');
    expect(out).toMatch(/^service\/sick: 0 of 1 tasks running\n/);
    expect(out).toContain('  - n1: too little memory\n  - n2: is draining\n');
    expect(out).toContain('→ relax placement');
    expect(out).toContain('sick-1-');
  });
});

describe('delete', () => {
  test('waits until the object is gone, and says what holds it', async () => {
    await t.cli('apply', '-f', t.file('held.yml', serviceText('held')));
    const ref = { kind: 'Service', namespace: 'default', name: 'held' } as const;
    await t.api.store.registry.modify<Service>(ref, (s) => ({
      ...s,
      metadata: { ...s.metadata, finalizers: ['test/hold'] },
    }));
    const remove = t.start('delete', 'service/held', '--cascade=background');
    await remove.seen('service/held waits for finalizers: test/hold');
    await t.api.store.registry.modify<Service>(ref, (s) => ({
      ...s,
      metadata: { ...s.metadata, finalizers: [] },
    }));
    expect((await remove.ended).code).toBe(0);
    expect(t.stored('held')).toBeUndefined();
  });

  test('with --cascade=orphan waits for the object alone, and not for the tasks that stay', async () => {
    await t.cli('apply', '-f', t.file('parent.yml', serviceText('parent')));
    const ref = { kind: 'Service', namespace: 'default', name: 'parent' } as const;
    const service = t.stored('parent');
    if (service === undefined) throw new Error('not stored');
    const { metadata } = await t.playTask(service, 1, { state: 'Running' });
    const remove = t.start('delete', 'service/parent', '--cascade=orphan');
    await remove.seen('service/parent waits for finalizers: orphan');
    // As the garbage collector does, once no task names the service as its owner.
    await t.api.store.registry.modify<Service>(ref, (s) => ({
      ...s,
      metadata: { ...s.metadata, finalizers: [] },
    }));
    const { code, out } = await remove.ended;
    expect(code).toBe(0);
    expect(out).not.toContain(metadata.name);
    expect(t.api.store.registry.cache.get('Task', 'default', metadata.name)?.status?.state).toBe('Running');
  });

  test('of what is not there fails unless told to ignore it', async () => {
    expect(await t.cli('delete', 'svc', 'nope')).toMatchObject({
      code: 1,
      err: 'error: service/nope not found\n',
    });
    expect((await t.cli('delete', 'svc', 'nope', '--ignore-not-found')).code).toBe(0);
  });

  test('needs names or a selector', async () => {
    expect((await t.cli('delete', 'svc')).code).toBe(2);
  });
});

describe('logs', () => {
  test('of a service are merged by time, each line with its task; new tasks join while following', async () => {
    await t.cli('apply', '-f', t.file('talk.yml', serviceText('talk')));
    const service = t.stored('talk');
    if (service === undefined) throw new Error('not stored');
    const running = { state: 'Running', containerID: 'c' } as const;
    const [one, two] = [await t.playTask(service, 1, running), await t.playTask(service, 2, running)];
    t.logs.set(one.metadata.name, '2030-01-01T00:00:01Z first\n2030-01-01T00:00:03Z third\n');
    t.logs.set(two.metadata.name, '2030-01-01T00:00:02Z second\n');
    const { out } = await t.cli('logs', 'talk');
    expect(out.split('\n').map((line) => line.replace(/^.*\| /, ''))).toEqual([
      'first',
      'second',
      'third',
      '',
    ]);
    expect((await t.cli('logs', `task/${two.metadata.name}`)).out).toBe('second\n');

    const follow = t.start('logs', '-f', 'service/talk');
    await follow.seen('third');
    await t.playTask(service, 3, running, '2030-01-01T00:00:04Z newcomer\n');
    await follow.seen('newcomer');
    await follow.stop();
  });
});

describe('nodes, waiting and marks', () => {
  beforeAll(async () => {
    await t.api.store.registry.create({
      apiVersion: 'orc.dev/v1',
      kind: 'Node',
      metadata: { name: 'n1' },
      spec: {},
    });
  });

  test('cordon, uncordon and drain set the availability', async () => {
    expect((await t.cli('cordon', 'n1')).out).toBe('node/n1 cordoned\n');
    expect((await t.cli('cordon', 'n1')).out).toBe('node/n1 already cordoned\n');
    expect((await t.cli('uncordon', 'node/n1')).out).toBe('node/n1 uncordoned\n');
    expect(await t.cli('cordon', 'service/n1')).toMatchObject({ code: 2, out: '' });
    expect(await t.cli('drain', 'n1')).toEqual({
      code: 0,
      out: 'node/n1 draining\nnode/n1 drained\n',
      err: '',
    });
  });

  test('labels are set, kept and removed', async () => {
    expect((await t.cli('label', 'node', 'n1', 'zone=eu')).out).toBe('node/n1 labeled\n');
    expect((await t.cli('label', 'node', 'n1', 'zone=us')).code).toBe(1);
    expect((await t.cli('label', 'node/n1', 'zone-')).out).toBe('node/n1 labeled\n');
  });

  test('wait ends when the condition is met for the present spec', async () => {
    await t.cli('apply', '-f', t.file('await.yml', serviceText('await')));
    const waiting = t.start('wait', '--for=condition=Ready', 'service/await');
    await t.playService('await', 1, condition('Ready', 'True', '', 0));
    await t.playService('await', 1, condition('Ready', 'True', '', 1));
    expect(await waiting.ended).toMatchObject({ code: 0, out: 'service/await condition met\n' });
    expect((await t.cli('wait', '--for=condition=Never', 'service/await', '--timeout', '100ms')).code).toBe(
      3,
    );
  });

  test('diff shows what apply would change', async () => {
    const path = t.file('diff.yml', serviceText('diff'));
    expect((await t.cli('diff', '-f', path)).code).toBe(1);
    await t.cli('apply', '-f', path);
    expect(await t.cli('diff', '-f', path)).toEqual({ code: 0, out: '', err: '' });
    const { code, out } = await t.cli('diff', '-f', t.file('diff.yml', serviceText('diff', 'web:9')));
    expect(code).toBe(1);
    expect(out).toContain('-  image: web:1\n+  image: web:9\n');
  });
});

test('a server that is not there is one line with the remedy', async () => {
  const { code, err } = await t.cli('get', 'svc', '--server', '127.0.0.1:1');
  expect(code).toBe(1);
  expect(err).toMatch(
    /^error: cannot reach the orc server at https:\/\/127\.0\.0\.1:1 \(connection refused\).*\n$/,
  );
});

test('--verbose shows each request, on standard error', async () => {
  const { out, err } = await t.cli('get', 'svc', 'get-a', '-o', 'name', '-v');
  expect(out).toBe('service/get-a\n');
  expect(err).toBe('GET /apis/orc.dev/v1/namespaces/default/services/get-a\n');
});

test('--request-timeout ends a request that nobody answers', async () => {
  const silent = createServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const server = `127.0.0.1:${String((silent.address() as AddressInfo).port)}`;
  const { code, err } = await t.cli('get', 'svc', '--server', server, '--request-timeout', '50ms');
  expect(code).toBe(1);
  expect(err).toContain('no answer in time');
  await new Promise((resolve) => silent.close(resolve));
});

test('version shows the server’s too', async () => {
  expect((await t.cli('version')).out).toMatch(/Client Version: v.*\nServer Version: v/);
});
