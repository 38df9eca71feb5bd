/** `orc node` on a cluster of processes. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Task } from '../../api-schemas/index.ts';
import { startMachines, until, untilReady, type Machines } from './cluster-harness.ts';

const machines: Machines = startMachines();
const n1 = machines.machine('n1');
const n2 = machines.machine('n2');
const w1 = machines.machine('w1');
afterAll(() => machines.stop());

describe('orc node', () => {
  beforeAll(async () => {
    n1.start('init');
    await until('the context of n1', [n1], async () => (await n1.orc('get', 'nodes')).code === 0);
    await untilReady(n1, n1);
    await Promise.all([machines.join(w1, n1, 'worker'), machines.join(n2, n1, 'manager')]);
  }, 120_000);

  test('ls shows who leads and who is reached', async () => {
    const out = await n1.must('node', 'ls');
    expect(out).toMatch(/^NAME +STATUS +ROLE +MANAGER +AGE +ENGINE +ADDRESS/);
    expect(out).toMatch(/^n1 +Ready +manager +Leader /m);
    expect(out).toMatch(/^n2 +Ready +manager +Reachable /m);
    expect(out).toMatch(/^w1 +Ready +worker +- /m);
  });

  test('label sets and removes labels', async () => {
    expect(await n1.must('node', 'label', 'w1', 'zone=eu', 'disk=ssd')).toBe('node/w1 labeled\n');
    await n1.must('node', 'label', 'node/w1', 'disk-');
    const [node] = await n1.get('nodes', 'w1');
    expect(node?.metadata.labels).toEqual({ zone: 'eu' });
  });

  test('rm refuses what runs, and says what to do', async () => {
    const worker = await n1.orc('node', 'rm', 'w1');
    expect(worker).toMatchObject({ code: 1, out: '' });
    expect(worker.err).toMatch(/w1 is connected.*\nhint: .*`orc leave`.*--force/);
    const manager = await n1.orc('node', 'rm', 'n2', '--force');
    expect(manager.code).toBe(1);
    expect(manager.err).toContain('`orc node demote n2`');
    expect((await n1.orc('node', 'rm', 'nobody')).err).toBe('error: there is no node nobody\n');
  });

  test('rm --force removes a worker that runs: it is refused from then on, its tasks are replaced', async () => {
    const manifest =
      'apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: web }\nspec: { image: web, replicas: 3 }\n';
    await n1.apply(manifest);
    const tasks = async (): Promise<readonly Task[]> =>
      (await n1.get<Task>('tasks')).filter(({ spec }) => spec.desiredState === 'Running');
    expect((await tasks()).map(({ spec }) => spec.nodeName).sort()).toEqual(['n1', 'n2', 'w1']);
    expect(await n1.must('node', 'rm', 'w1', '--force')).toBe('node/w1 removed\n');
    await until('three tasks on two nodes', [n1, w1], async () => {
      const now = await tasks();
      return (
        now.length === 3 &&
        now.every(({ spec, status }) => spec.nodeName !== 'w1' && status?.state === 'Running')
      );
    });
    await until('w1 says why', [w1], () => /node w1 is not part of the cluster.*orc join/.test(w1.log()));
    expect((await n1.get('nodes')).map(({ metadata }) => metadata.name)).toEqual(['n1', 'n2']);
    await w1.end();
  });
});
