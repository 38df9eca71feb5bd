/** `orc apply` and `orc scale` against a real API server on a real etcd; the test plays the controllers. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Service, Stack } from '../../api-schemas/index.ts';
import { condition, serviceText, stackText, startTestCli, type TestCli } from './cli-harness.ts';

let t: TestCli;
beforeAll(async () => {
  t = await startTestCli();
});
afterAll(() => t.stop());

describe('apply', () => {
  test('tells created, unchanged and configured apart', async () => {
    const path = t.file('verbs.yml', serviceText('verbs'));
    expect(await t.cli('apply', '-f', path)).toEqual({ code: 0, out: 'service/verbs created\n', err: '' });
    expect((await t.cli('apply', '-f', path)).out).toBe('service/verbs unchanged\n');
    t.file('verbs.yml', serviceText('verbs', 'web:2'));
    expect((await t.cli('apply', '-f', path, '--dry-run=server')).out).toBe(
      'service/verbs configured (server dry run)\n',
    );
    expect((await t.cli('apply', '-f', path)).out).toBe('service/verbs configured\n');
    expect((await t.cli('apply', '-f', path, '--dry-run')).out).toBe(
      'service/verbs valid (client dry run)\n',
    );
  });

  test('reads standard input', async () => {
    const { out } = await t.cliWith({ stdin: serviceText('piped') }, 'apply', '-f', '-');
    expect(out).toBe('service/piped created\n');
  });

  test('stores nothing when one document is invalid, and says where', async () => {
    const path = t.file(
      'half.yml',
      `${serviceText('fine')}---\n${serviceText('wrong', 'web:1', '  replics: 2\n')}`,
    );
    const { code, out, err } = await t.cli('apply', '-f', path);
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain(`${path}:14:3: spec.replics: unknown field; did you mean "replicas"?`);
    expect(err).toContain('^');
    expect(t.stored('fine')).toBeUndefined();
  });

  test('stores nothing when the server refuses one', async () => {
    await t.cli(
      'apply',
      '-f',
      t.file(
        'port.yml',
        serviceText('first-port', 'web:1', '  ports:\n    - {target: 80, published: 8123}\n'),
      ),
    );
    const path = t.file(
      'clash.yml',
      `${serviceText('innocent')}---\n${serviceText('clash', 'web:1', '  ports:\n    - {target: 80, published: 8123}\n')}`,
    );
    const { code, err } = await t.cli('apply', '-f', path);
    expect(code).toBe(1);
    expect(err).toContain('first-port');
    expect(err).toContain('nothing was applied'.replace('nothing', 'none of the 2'));
    expect(t.stored('innocent')).toBeUndefined();
  });

  test('puts a new namespace before what is in it', async () => {
    const text = `${serviceText('inside').replace('name: inside', 'name: inside\n  namespace: room')}---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: room\n`;
    const { code, out } = await t.cli('apply', '-f', t.file('room.yml', text));
    expect([code, out]).toEqual([0, 'namespace/room created\nservice/inside in room created\n']);
  });

  test('names the manager it is in conflict with, and takes over when told to', async () => {
    const path = t.file('conflict.yml', serviceText('conflict', 'web:1', '  replicas: 2\n'));
    await t.cli('apply', '-f', path);
    const ask = { body: { spec: { replicas: 5 } }, type: 'application/merge-patch+json' };
    await t.api.ask(
      'PATCH',
      '/apis/orc.dev/v1/namespaces/default/services/conflict?fieldManager=somebody',
      ask,
    );
    const { code, err } = await t.cli('apply', '-f', path);
    expect(code).toBe(1);
    expect(err).toContain('"somebody"');
    expect(err).toContain('--force-conflicts');
    expect((await t.cli('apply', '-f', path, '--force-conflicts')).code).toBe(0);
    expect(t.stored('conflict')?.spec.replicas).toBe(2);
  });

  test('takes replicas over from scale with a warning, and leaves them when the manifest has none', async () => {
    const path = t.file('scaled.yml', serviceText('scaled', 'web:1', '  replicas: 2\n'));
    await t.cli('apply', '-f', path);
    await t.cli('scale', 'scaled=5', '--no-wait');
    expect(t.stored('scaled')?.metadata.managedFields?.map((m) => m.manager)).toContain('orc-scale');
    const dry = await t.cli('apply', '-f', path, '--dry-run=server');
    expect(dry.out).toBe('service/scaled configured (server dry run)\n');
    expect(dry.err).toContain('replicas 5 of `orc scale` become 2');
    const { code, out, err } = await t.cli('apply', '-f', path);
    expect([code, out]).toEqual([0, 'service/scaled configured\n']);
    expect(err).toMatch(
      /^warning: service\/scaled: replicas 5 of `orc scale` become 2 as the manifest says;.*\n$/,
    );
    expect(t.stored('scaled')?.spec.replicas).toBe(2);
    expect((await t.cli('apply', '-f', path)).err).toBe('');

    t.file('scaled.yml', serviceText('scaled'));
    await t.cli('scale', 'scaled=4', '--no-wait');
    expect((await t.cli('apply', '-f', path)).err).toBe('');
    expect(t.stored('scaled')?.spec.replicas).toBe(4);
  });

  test('does not take over from scale what another manager must be asked for first', async () => {
    const path = t.file('both.yml', serviceText('both', 'web:1', '  replicas: 2\n'));
    await t.cli('apply', '-f', path);
    await t.cli('scale', 'both=5', '--no-wait');
    const ask = { body: { spec: { image: 'web:7' } }, type: 'application/merge-patch+json' };
    await t.api.ask('PATCH', '/apis/orc.dev/v1/namespaces/default/services/both?fieldManager=somebody', ask);
    const { code, err } = await t.cli('apply', '-f', path);
    expect(code).toBe(1);
    expect(err).toContain('* .spec.image  (set by "somebody")');
    expect(err).toContain('--force-conflicts');
    expect(err).not.toContain('orc-scale');
    expect(t.stored('both')?.spec.replicas).toBe(5);
  });

  test('waits until what is being deleted is gone, then applies', async () => {
    const path = t.file('again.yml', serviceText('again'));
    await t.cli('apply', '-f', path);
    const old = await t.api.store.registry.modify<Service>(
      { kind: 'Service', namespace: 'default', name: 'again' },
      (s) => ({
        ...s,
        metadata: { ...s.metadata, finalizers: ['test/hold'] },
      }),
    );
    await t.cli('delete', 'service', 'again', '--no-wait', '--cascade=background');
    const apply = t.start('apply', '-f', path);
    await apply.seen('service/again is being deleted: waiting until it is gone');
    await t.api.store.registry.modify<Service>(
      { kind: 'Service', namespace: 'default', name: 'again' },
      (s) => ({
        ...s,
        metadata: { ...s.metadata, finalizers: [] },
      }),
    );
    expect((await apply.ended).out).toContain('service/again created');
    expect(t.stored('again')?.metadata.uid).not.toBe(old.metadata.uid);
  });
});

describe('apply --wait', () => {
  test('ends with 0 when all has converged, and says what held it up', async () => {
    const apply = t.start('apply', '-f', t.file('w1.yml', serviceText('w1')), '--wait');
    await apply.seen('service/w1 0/1 running');
    const service = t.stored('w1');
    if (service === undefined) throw new Error('not stored');
    await t.playTask(service, 1, { state: 'Preparing', reason: 'ImagePullFailed', message: 'no such image' });
    await apply.seen('service/w1 slot 1 preparing: ImagePullFailed: no such image');
    await t.playService('w1', 1, condition('Ready', 'True', '1 of 1 ready'));
    expect(await apply.ended).toMatchObject({
      code: 0,
      out: expect.stringContaining('service/w1 converged'),
    });
  });

  test('ends with 1 when it is stalled', async () => {
    const apply = t.start('apply', '-f', t.file('w2.yml', serviceText('w2')), '--wait');
    await apply.seen('created');
    await t.playService('w2', 0, condition('Stalled', 'True', 'slot 1 gave up'));
    expect(await apply.ended).toMatchObject({
      code: 1,
      err: expect.stringContaining('service/w2 failed: slot 1 gave up'),
    });
  });

  test('ends with 1 when another write takes its place, although that one converges', async () => {
    const apply = t.start('apply', '-f', t.file('w6.yml', serviceText('w6')), '--wait');
    await apply.seen('service/w6 0/1 running');
    await t.cli('apply', '-f', t.file('w6.yml', serviceText('w6', 'web:2')));
    await t.playService('w6', 1, condition('Ready', 'True', '1 of 1 ready', 2));
    const { code, err } = await apply.ended;
    expect(code).toBe(1);
    expect(err).toContain('error: service/w6 was changed meanwhile by another write');
    expect(err).toContain('`orc describe service/w6`');
  });

  test('ends with 3 when the time is up', async () => {
    const { code, err } = await t.cli(
      'apply',
      '-f',
      t.file('w3.yml', serviceText('w3')),
      '--wait',
      '--timeout',
      '300ms',
    );
    expect(code).toBe(3);
    expect(err).toContain('orc describe service/w3');
  });

  test('ends with 130 when interrupted, and says that the work goes on', async () => {
    const apply = t.start('apply', '-f', t.file('w4.yml', stackText('w4')), '--wait');
    await apply.seen('stack/w4 web 0/1 running');
    const { code, err } = await apply.stop();
    expect(code).toBe(130);
    expect(err).toContain('the operation continues');
  });

  test('of a stack waits for its services', async () => {
    const apply = t.start('apply', '-f', t.file('w5.yml', stackText('w5')), '--wait');
    await apply.seen('created');
    const stack = t.api.store.registry.cache.get('Stack', 'default', 'w5');
    await t.api.store.registry.create<Service>({
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
    await t.playService('w5-web', 1, condition('Ready', 'True', ''));
    await apply.seen('stack/w5 web 1/1 running');
    await t.api.store.registry.modify<Stack>({ kind: 'Stack', namespace: 'default', name: 'w5' }, (s) => ({
      ...s,
      status: { observedGeneration: 1, conditions: [condition('Ready', 'True', '')] },
    }));
    expect((await apply.ended).code).toBe(0);
    const scaled = await t.cli('scale', 'w5-web=2', '--no-wait');
    expect(scaled.out).toBe('service/w5-web scaled\n');
    expect(scaled.err).toContain('belongs to stack/w5');
  });
});

describe('scale', () => {
  test('takes a lone name for a service', async () => {
    await t.cli('apply', '-f', t.file('size.yml', `${serviceText('size-a')}---\n${serviceText('size-b')}`));
    const replicas = async (...words: string[]): Promise<readonly (number | undefined)[]> => {
      const { err, code } = await t.cli('scale', ...words, '--no-wait');
      expect([code, err]).toEqual([0, '']);
      return ['size-a', 'size-b'].map((name) => t.stored(name)?.spec.replicas);
    };
    expect(await replicas('size-a', '--replicas', '2')).toEqual([2, undefined]);
    expect(await replicas('size-a', 'size-b', '--replicas', '3')).toEqual([3, 3]);
    expect(await replicas('service', 'size-b', '--replicas', '4')).toEqual([3, 4]);
    expect(await replicas('svc/size-b', '--replicas=5')).toEqual([3, 5]);
    expect(await replicas('size-a=6', 'size-b=7')).toEqual([6, 7]);
  });

  test('refuses what no service can become, with exit code 2', async () => {
    expect((await t.cli('scale', 'size-a=2', '--replicas', '3')).err).toMatch(/both say how many/);
    expect((await t.cli('scale', 'node', 'n1', '--replicas', '3')).err).toMatch(/only services can/);
    for (const number of ['-1', '1.5', 'two', ''])
      expect((await t.cli('scale', 'size-a', `--replicas=${number}`)).code).toBe(2);
  });
});

describe('apply --watch', () => {
  test('applies what changes, keeps the last good state, and only reports what is gone', async () => {
    const folder = mkdtempSync(join(t.dir, 'watched-'));
    const a = join(folder, 'a.yml');
    const b = join(folder, 'b.yml');
    writeFileSync(a, serviceText('live-a'));
    writeFileSync(b, serviceText('live-b'));
    const follow = t.start('apply', '-f', folder, '--watch', '--no-wait');
    await follow.seen('service/live-b created');
    await follow.seen('watching for changes');

    writeFileSync(a, serviceText('live-a', 'web:2'));
    await follow.seen('service/live-a configured');
    expect(t.stored('live-a')?.spec.image).toBe('web:2');

    writeFileSync(a, 'apiVersion: orc.dev/v1\nkind: Serv');
    await follow.seen('the last good state stays');
    writeFileSync(a, '');
    await follow.seen('holds no object: left as it was');
    expect(t.stored('live-a')?.spec.image).toBe('web:2');

    rmSync(b);
    await follow.seen('service/live-b is no longer in the files, and stays in the cluster');
    expect(t.stored('live-b')).toBeDefined();
    expect((await follow.stop()).code).toBe(130);
  }, 30_000);

  test('deletes what is gone with --prune', async () => {
    const folder = mkdtempSync(join(t.dir, 'pruned-'));
    writeFileSync(join(folder, 'keep.yml'), serviceText('keep'));
    writeFileSync(join(folder, 'drop.yml'), serviceText('drop'));
    const follow = t.start('apply', '-f', folder, '--watch', '--prune', '--no-wait');
    await follow.seen('watching for changes');
    rmSync(join(folder, 'drop.yml'));
    await follow.seen('service/drop deleted');
    expect(t.stored('keep')).toBeDefined();
    await follow.stop();
  }, 30_000);
});
