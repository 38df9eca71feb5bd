/** The CLI against a real API server on a real etcd; the test plays the controllers. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Condition, Service, Stack, Task } from '../../api-schemas/index.ts';
import { orc, testIo, type Ran } from '../../cli/testing.ts';
import { run } from '../../cli/run.ts';
import { mergeContext } from '../../client/index.ts';
import { startTestApi, type TestApi } from './api-harness.ts';

let api: TestApi;
let dir: string;
let env: Record<string, string>;

/** What the log of each task says, by name; a stream of `-f` stays open until its request ends. */
const logs = new Map<string, string>();

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'orc-cli-'));
  api = await startTestApi({
    streams: {
      handleLog(request: IncomingMessage, response: ServerResponse, task: Task): Promise<void> {
        response.writeHead(200, { 'content-type': 'text/plain' });
        response.write(logs.get(task.metadata.name) ?? '');
        if (!(request.url ?? '').includes('follow=true')) response.end();
        return Promise.resolve();
      },
      handleExec: () => Promise.resolve(),
    },
  });
  env = { ORC_CONFIG: join(dir, 'config') };
  await mergeContext(
    {
      name: 'test',
      endpoints: [api.url],
      ca: api.pki.ca.cert,
      cert: api.pki.admin.cert,
      key: api.pki.admin.key,
    },
    { path: join(dir, 'config') },
  );
});

afterAll(async () => {
  await api.stop();
  rmSync(dir, { recursive: true, force: true });
});

const cli = (...args: string[]): Promise<Ran> => orc(args, { env });

/** Starts a command that goes on; `stop` interrupts it and gives what it said. */
function start(...args: string[]): {
  seen(text: string | RegExp): Promise<void>;
  stop(): Promise<Ran>;
  ended: Promise<Ran>;
} {
  const io = testIo({ env });
  const interrupt = new AbortController();
  const ended = run(args, { io, signal: interrupt.signal }).then((code) => ({
    code,
    out: io.out(),
    err: io.err(),
  }));
  const said = (): string => io.out() + io.err();
  const seen = async (text: string | RegExp): Promise<void> => {
    const until = Date.now() + 10_000;
    while (!(typeof text === 'string' ? said().includes(text) : text.test(said()))) {
      if (Date.now() > until) throw new Error(`waited in vain for ${String(text)} in:\n${said()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  return {
    seen,
    ended,
    stop: () => {
      interrupt.abort(new Error('interrupted'));
      return ended;
    },
  };
}

const file = (name: string, text: string): string => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};
const serviceText = (name: string, image = 'web:1', more = ''): string =>
  `apiVersion: orc.dev/v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  image: ${image}\n${more}`;
const stackText = (name: string, service = 'web'): string =>
  `apiVersion: orc.dev/v1\nkind: Stack\nmetadata:\n  name: ${name}\nspec:\n  services:\n    ${service}:\n      image: web:1\n`;

const condition = (
  type: string,
  status: Condition['status'],
  message: string,
  generation = 1,
): Condition => ({
  type,
  status,
  reason: 'Played',
  message,
  lastTransitionTime: new Date().toISOString(),
  observedGeneration: generation,
});

/** What the controllers would say of a service. */
const playService = (name: string, ready: number, ...conditions: Condition[]): Promise<Service> =>
  api.store.registry.modify<Service>({ kind: 'Service', namespace: 'default', name }, (s) => {
    const observedGeneration = s.metadata.generation ?? 1;
    const desired = s.spec.replicas ?? 1;
    return {
      ...s,
      status: { observedGeneration, desired, replicas: desired, updated: desired, ready, conditions },
    };
  });

let serial = 0;
async function playTask(service: Service, slot: number, status: Task['status']): Promise<Task> {
  const name = `${service.metadata.name}-${String(slot)}-${String(++serial)}`;
  return api.store.registry.create<Task>({
    apiVersion: 'orc.dev/v1',
    kind: 'Task',
    metadata: {
      name,
      namespace: 'default',
      labels: { 'orc.dev/service': service.metadata.name },
      ownerReferences: [
        {
          apiVersion: 'orc.dev/v1',
          kind: 'Service',
          name: service.metadata.name,
          uid: service.metadata.uid ?? '',
          controller: true,
        },
      ],
    },
    spec: { service: service.metadata.name, revision: 'r', slot, desiredState: 'Running' },
    ...(status === undefined ? {} : { status }),
  });
}

const stored = (name: string): Service | undefined =>
  api.store.registry.cache.get('Service', 'default', name);

describe('apply', () => {
  test('tells created, unchanged and configured apart', async () => {
    const path = file('verbs.yml', serviceText('verbs'));
    expect(await cli('apply', '-f', path)).toEqual({ code: 0, out: 'service/verbs created\n', err: '' });
    expect((await cli('apply', '-f', path)).out).toBe('service/verbs unchanged\n');
    file('verbs.yml', serviceText('verbs', 'web:2'));
    expect((await cli('apply', '-f', path, '--dry-run=server')).out).toBe(
      'service/verbs configured (server dry run)\n',
    );
    expect((await cli('apply', '-f', path)).out).toBe('service/verbs configured\n');
    expect((await cli('apply', '-f', path, '--dry-run')).out).toBe('service/verbs valid (client dry run)\n');
  });

  test('reads standard input', async () => {
    const { out } = await orc(['apply', '-f', '-'], { env, stdin: serviceText('piped') });
    expect(out).toBe('service/piped created\n');
  });

  test('stores nothing when one document is invalid, and says where', async () => {
    const path = file(
      'half.yml',
      `${serviceText('fine')}---\n${serviceText('wrong', 'web:1', '  replics: 2\n')}`,
    );
    const { code, out, err } = await cli('apply', '-f', path);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(`${path}:14:3: spec.replics: unknown field; did you mean "replicas"?`);
    expect(err).toContain('^');
    expect(stored('fine')).toBeUndefined();
  });

  test('stores nothing when the server refuses one', async () => {
    await cli(
      'apply',
      '-f',
      file('port.yml', serviceText('first-port', 'web:1', '  ports:\n    - {target: 80, published: 8123}\n')),
    );
    const path = file(
      'clash.yml',
      `${serviceText('innocent')}---\n${serviceText('clash', 'web:1', '  ports:\n    - {target: 80, published: 8123}\n')}`,
    );
    const { code, err } = await cli('apply', '-f', path);
    expect(code).toBe(1);
    expect(err).toContain('first-port');
    expect(err).toContain('nothing was applied'.replace('nothing', 'none of the 2'));
    expect(stored('innocent')).toBeUndefined();
  });

  test('puts a new namespace before what is in it', async () => {
    const text = `${serviceText('inside').replace('name: inside', 'name: inside\n  namespace: room')}---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: room\n`;
    const { code, out } = await cli('apply', '-f', file('room.yml', text));
    expect([code, out]).toEqual([0, 'namespace/room created\nservice/inside in room created\n']);
  });

  test('names the manager it is in conflict with, and takes over when told to', async () => {
    const path = file('conflict.yml', serviceText('conflict', 'web:1', '  replicas: 2\n'));
    await cli('apply', '-f', path);
    const ask = { body: { spec: { replicas: 5 } }, type: 'application/merge-patch+json' };
    await api.ask(
      'PATCH',
      '/apis/orc.dev/v1/namespaces/default/services/conflict?fieldManager=somebody',
      ask,
    );
    const { code, err } = await cli('apply', '-f', path);
    expect(code).toBe(1);
    expect(err).toContain('"somebody"');
    expect(err).toContain('--force-conflicts');
    expect((await cli('apply', '-f', path, '--force-conflicts')).code).toBe(0);
    expect(stored('conflict')?.spec.replicas).toBe(2);
  });

  test('takes replicas over from scale with a warning, and leaves them when the manifest has none', async () => {
    const path = file('scaled.yml', serviceText('scaled', 'web:1', '  replicas: 2\n'));
    await cli('apply', '-f', path);
    await cli('scale', 'scaled=5', '--no-wait');
    expect(stored('scaled')?.metadata.managedFields?.map((m) => m.manager)).toContain('orc-scale');
    const dry = await cli('apply', '-f', path, '--dry-run=server');
    expect(dry.out).toBe('service/scaled configured (server dry run)\n');
    expect(dry.err).toContain('replicas 5 of `orc scale` become 2');
    const { code, out, err } = await cli('apply', '-f', path);
    expect([code, out]).toEqual([0, 'service/scaled configured\n']);
    expect(err).toMatch(
      /^warning: service\/scaled: replicas 5 of `orc scale` become 2 as the manifest says;.*\n$/,
    );
    expect(stored('scaled')?.spec.replicas).toBe(2);
    expect((await cli('apply', '-f', path)).err).toBe('');

    file('scaled.yml', serviceText('scaled'));
    await cli('scale', 'scaled=4', '--no-wait');
    expect((await cli('apply', '-f', path)).err).toBe('');
    expect(stored('scaled')?.spec.replicas).toBe(4);
  });

  test('does not take over from scale what another manager must be asked for first', async () => {
    const path = file('both.yml', serviceText('both', 'web:1', '  replicas: 2\n'));
    await cli('apply', '-f', path);
    await cli('scale', 'both=5', '--no-wait');
    const ask = { body: { spec: { image: 'web:7' } }, type: 'application/merge-patch+json' };
    await api.ask('PATCH', '/apis/orc.dev/v1/namespaces/default/services/both?fieldManager=somebody', ask);
    const { code, err } = await cli('apply', '-f', path);
    expect(code).toBe(1);
    expect(err).toContain('* .spec.image  (set by "somebody")');
    expect(err).toContain('--force-conflicts');
    expect(err).not.toContain('orc-scale');
    expect(stored('both')?.spec.replicas).toBe(5);
  });

  test('waits until what is being deleted is gone, then applies', async () => {
    const path = file('again.yml', serviceText('again'));
    await cli('apply', '-f', path);
    const old = await api.store.registry.modify<Service>(
      { kind: 'Service', namespace: 'default', name: 'again' },
      (s) => ({
        ...s,
        metadata: { ...s.metadata, finalizers: ['test/hold'] },
      }),
    );
    await cli('delete', 'service', 'again', '--no-wait', '--cascade=background');
    const apply = start('apply', '-f', path);
    await apply.seen('service/again is being deleted: waiting until it is gone');
    await api.store.registry.modify<Service>(
      { kind: 'Service', namespace: 'default', name: 'again' },
      (s) => ({
        ...s,
        metadata: { ...s.metadata, finalizers: [] },
      }),
    );
    expect((await apply.ended).out).toContain('service/again created');
    expect(stored('again')?.metadata.uid).not.toBe(old.metadata.uid);
  });
});

describe('apply --wait', () => {
  test('ends with 0 when all has converged, and says what held it up', async () => {
    const apply = start('apply', '-f', file('w1.yml', serviceText('w1')), '--wait');
    await apply.seen('service/w1 0/1 running');
    const service = stored('w1');
    if (service === undefined) throw new Error('not stored');
    await playTask(service, 1, { state: 'Preparing', reason: 'ImagePullFailed', message: 'no such image' });
    await apply.seen('service/w1 slot 1 preparing: ImagePullFailed: no such image');
    await playService('w1', 1, condition('Ready', 'True', '1 of 1 ready'));
    expect(await apply.ended).toMatchObject({
      code: 0,
      out: expect.stringContaining('service/w1 converged'),
    });
  });

  test('ends with 1 when it is stalled', async () => {
    const apply = start('apply', '-f', file('w2.yml', serviceText('w2')), '--wait');
    await apply.seen('created');
    await playService('w2', 0, condition('Stalled', 'True', 'slot 1 gave up'));
    expect(await apply.ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('service/w2 failed: slot 1 gave up'),
    });
  });

  test('ends with 3 when the time is up', async () => {
    const { code, err } = await cli(
      'apply',
      '-f',
      file('w3.yml', serviceText('w3')),
      '--wait',
      '--timeout',
      '300ms',
    );
    expect(code).toBe(3);
    expect(err).toContain('orc describe service/w3');
  });

  test('ends with 130 when interrupted, and says that the work goes on', async () => {
    const apply = start('apply', '-f', file('w4.yml', stackText('w4')), '--wait');
    await apply.seen('stack/w4 web 0/1 running');
    const { code, err } = await apply.stop();
    expect(code).toBe(130);
    expect(err).toContain('the operation continues');
  });

  test('of a stack waits for its services', async () => {
    const apply = start('apply', '-f', file('w5.yml', stackText('w5')), '--wait');
    await apply.seen('created');
    const stack = api.store.registry.cache.get('Stack', 'default', 'w5');
    await api.store.registry.create<Service>({
      apiVersion: 'orc.dev/v1',
      kind: 'Service',
      metadata: {
        name: 'w5-web',
        namespace: 'default',
        ownerReferences: [
          {
            apiVersion: 'orc.dev/v1',
            kind: 'Stack',
            name: 'w5',
            uid: stack?.metadata.uid ?? '',
            controller: true,
          },
        ],
      },
      spec: { image: 'web:1' },
    });
    await playService('w5-web', 1, condition('Ready', 'True', ''));
    await apply.seen('stack/w5 web 1/1 running');
    await api.store.registry.modify<Stack>({ kind: 'Stack', namespace: 'default', name: 'w5' }, (s) => ({
      ...s,
      status: { observedGeneration: 1, conditions: [condition('Ready', 'True', '')] },
    }));
    expect((await apply.ended).code).toBe(0);
    const scaled = await cli('scale', 'w5-web=2', '--no-wait');
    expect(scaled.out).toBe('service/w5-web scaled\n');
    expect(scaled.err).toContain('belongs to stack/w5');
  });
});

describe('apply --watch', () => {
  test('applies what changes, keeps the last good state, and only reports what is gone', async () => {
    const folder = mkdtempSync(join(dir, 'watched-'));
    const a = join(folder, 'a.yml');
    const b = join(folder, 'b.yml');
    writeFileSync(a, serviceText('live-a'));
    writeFileSync(b, serviceText('live-b'));
    const follow = start('apply', '-f', folder, '--watch', '--no-wait');
    await follow.seen('service/live-b created');
    await follow.seen('watching for changes');

    writeFileSync(a, serviceText('live-a', 'web:2'));
    await follow.seen('service/live-a configured');
    expect(stored('live-a')?.spec.image).toBe('web:2');

    writeFileSync(a, 'apiVersion: orc.dev/v1\nkind: Serv');
    await follow.seen('the last good state stays');
    writeFileSync(a, '');
    await follow.seen('holds no object: left as it was');
    expect(stored('live-a')?.spec.image).toBe('web:2');

    rmSync(b);
    await follow.seen('service/live-b is no longer in the files, and stays in the cluster');
    expect(stored('live-b')).toBeDefined();
    expect((await follow.stop()).code).toBe(130);
  }, 30_000);

  test('deletes what is gone with --prune', async () => {
    const folder = mkdtempSync(join(dir, 'pruned-'));
    writeFileSync(join(folder, 'keep.yml'), serviceText('keep'));
    writeFileSync(join(folder, 'drop.yml'), serviceText('drop'));
    const follow = start('apply', '-f', folder, '--watch', '--prune', '--no-wait');
    await follow.seen('watching for changes');
    rmSync(join(folder, 'drop.yml'));
    await follow.seen('service/drop deleted');
    expect(stored('keep')).toBeDefined();
    await follow.stop();
  }, 30_000);
});

describe('get', () => {
  beforeAll(async () => {
    await cli(
      'apply',
      '-f',
      file('get.yml', ['get-a', 'get-b'].map((n) => serviceText(n)).join('---\n')),
      '-n',
      'default',
    );
  });

  test('prints tables as kubectl does', async () => {
    const { out } = await cli('get', 'svc', 'get-a', 'get-b');
    expect(out).toMatch(/^NAME {4}MODE {9}REPLICAS {3}IMAGE/);
    expect(out.split('\n')[1]).toMatch(/^get-a {3}replicated/);
    expect((await cli('get', 'service/get-a', '-o', 'name')).out).toBe('service/get-a\n');
    expect((await cli('get', 'services,stacks')).out).toMatch(/^NAME .*\nservice\/[^]*\n\nNAME .*\nstack\//);
  });

  test('hides managed fields in YAML unless asked', async () => {
    expect((await cli('get', 'svc', 'get-a', '-o', 'yaml')).out).not.toContain('managedFields');
    expect((await cli('get', 'svc', 'get-a', '-o', 'yaml', '--show-managed-fields')).out).toContain(
      'managedFields',
    );
    expect(JSON.parse((await cli('get', 'svc', '-o', 'json')).out)).toMatchObject({ kind: 'List' });
  });

  test('prints what is there, and fails for what is not', async () => {
    const { code, out, err } = await cli('get', 'svc', 'get-a', 'nope');
    expect(code).toBe(1);
    expect(out).toContain('get-a');
    expect(err).toBe('error: services.orc.dev "nope" not found\n');
    expect(await cli('get', 'leases', '-n', 'void')).toEqual({
      code: 0,
      out: '',
      err: 'No resources found in void namespace.\n',
    });
  });

  test('follows changes with -w, in the same columns', async () => {
    const watch = start('get', 'svc', 'get-a', '-w');
    await watch.seen('get-a');
    await playService('get-a', 1, condition('Ready', 'True', ''));
    await watch.seen('1/1');
    const { code, out } = await watch.stop();
    expect(code).toBeUndefined();
    expect(out.split('\n').filter((line) => line.startsWith('NAME'))).toHaveLength(1);
  });
});

describe('describe', () => {
  test('leads with what is wrong', async () => {
    await cli('apply', '-f', file('sick.yml', serviceText('sick')));
    const service = stored('sick');
    if (service === undefined) throw new Error('not stored');
    await playTask(service, 1, {
      state: 'Pending',
      reason: 'NoNodeFits',
      message: 'no node fits: n1: too little memory; n2: is draining',
    });
    const { out } = await cli('describe', 'service', 'sick');
    expect(out).toMatch(/^service\/sick: 0 of 1 tasks running\n/);
    expect(out).toContain('  - n1: too little memory\n  - n2: is draining\n');
    expect(out).toContain('→ relax placement');
    expect(out).toContain('sick-1-');
  });
});

describe('delete', () => {
  test('waits until the object is gone, and says what holds it', async () => {
    await cli('apply', '-f', file('held.yml', serviceText('held')));
    const ref = { kind: 'Service', namespace: 'default', name: 'held' } as const;
    await api.store.registry.modify<Service>(ref, (s) => ({
      ...s,
      metadata: { ...s.metadata, finalizers: ['test/hold'] },
    }));
    const remove = start('delete', 'service/held', '--cascade=background');
    await remove.seen('service/held waits for finalizers: test/hold');
    await api.store.registry.modify<Service>(ref, (s) => ({
      ...s,
      metadata: { ...s.metadata, finalizers: [] },
    }));
    expect((await remove.ended).code).toBe(0);
    expect(stored('held')).toBeUndefined();
  });

  test('of what is not there fails unless told to ignore it', async () => {
    expect(await cli('delete', 'svc', 'nope')).toMatchObject({
      code: 1,
      err: 'error: service/nope not found\n',
    });
    expect((await cli('delete', 'svc', 'nope', '--ignore-not-found')).code).toBe(0);
  });

  test('needs names or a selector', async () => {
    expect((await cli('delete', 'svc')).code).toBe(2);
  });
});

describe('logs', () => {
  test('of a service are merged by time, each line with its task; new tasks join while following', async () => {
    await cli('apply', '-f', file('talk.yml', serviceText('talk')));
    const service = stored('talk');
    if (service === undefined) throw new Error('not stored');
    const running = { state: 'Running', containerID: 'c' } as const;
    const [one, two] = [await playTask(service, 1, running), await playTask(service, 2, running)];
    logs.set(one.metadata.name, '2030-01-01T00:00:01Z first\n2030-01-01T00:00:03Z third\n');
    logs.set(two.metadata.name, '2030-01-01T00:00:02Z second\n');
    const { out } = await cli('logs', 'talk');
    expect(out.split('\n').map((line) => line.replace(/^.*\| /, ''))).toEqual([
      'first',
      'second',
      'third',
      '',
    ]);
    expect((await cli('logs', `task/${two.metadata.name}`)).out).toBe('second\n');

    const follow = start('logs', '-f', 'service/talk');
    await follow.seen('third');
    logs.set(`talk-3-${String(serial + 1)}`, '2030-01-01T00:00:04Z newcomer\n');
    await playTask(service, 3, running);
    await follow.seen('newcomer');
    await follow.stop();
  });
});

describe('nodes, waiting and marks', () => {
  beforeAll(async () => {
    await api.store.registry.create({
      apiVersion: 'orc.dev/v1',
      kind: 'Node',
      metadata: { name: 'n1' },
      spec: {},
    });
  });

  test('cordon, uncordon and drain set the availability', async () => {
    expect((await cli('cordon', 'n1')).out).toBe('node/n1 cordoned\n');
    expect((await cli('cordon', 'n1')).out).toBe('node/n1 already cordoned\n');
    expect((await cli('uncordon', 'n1')).out).toBe('node/n1 uncordoned\n');
    expect(await cli('drain', 'n1')).toEqual({
      code: 0,
      out: 'node/n1 draining\nnode/n1 drained\n',
      err: '',
    });
  });

  test('labels are set, kept and removed', async () => {
    expect((await cli('label', 'node', 'n1', 'zone=eu')).out).toBe('node/n1 labeled\n');
    expect((await cli('label', 'node', 'n1', 'zone=us')).code).toBe(1);
    expect((await cli('label', 'node/n1', 'zone-')).out).toBe('node/n1 labeled\n');
  });

  test('wait ends when the condition is met for the present spec', async () => {
    await cli('apply', '-f', file('await.yml', serviceText('await')));
    const waiting = start('wait', '--for=condition=Ready', 'service/await');
    await playService('await', 1, condition('Ready', 'True', '', 0));
    await playService('await', 1, condition('Ready', 'True', '', 1));
    expect(await waiting.ended).toMatchObject({ code: 0, out: 'service/await condition met\n' });
    expect((await cli('wait', '--for=condition=Never', 'service/await', '--timeout', '100ms')).code).toBe(3);
  });

  test('diff shows what apply would change', async () => {
    const path = file('diff.yml', serviceText('diff'));
    expect((await cli('diff', '-f', path)).code).toBe(1);
    await cli('apply', '-f', path);
    expect(await cli('diff', '-f', path)).toEqual({ code: 0, out: '', err: '' });
    const { code, out } = await cli('diff', '-f', file('diff.yml', serviceText('diff', 'web:9')));
    expect(code).toBe(1);
    expect(out).toContain('-  image: web:1\n+  image: web:9\n');
  });
});

test('a server that is not there is one line with the remedy', async () => {
  const { code, err } = await cli('get', 'svc', '--server', '127.0.0.1:1');
  expect(code).toBe(1);
  expect(err).toMatch(
    /^error: cannot reach the orc server at https:\/\/127\.0\.0\.1:1 \(connection refused\).*\n$/,
  );
});

test('version shows the server’s too', async () => {
  expect((await cli('version')).out).toMatch(/Client Version: v.*\nServer Version: v/);
});
