/** `orc drain` of tasks that do not run, on a cluster of processes. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import type { Task } from '../../api-schemas/index.ts';
import { startMachines, until, untilReady } from './cluster-harness.ts';

const machines = startMachines();
const n1 = machines.machine('n1');
const w1 = machines.machine('w1');
afterAll(() => machines.stop());

const manifest = (name: string, image: string): string =>
  `apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: ${name} }\nspec: { image: '${image}', replicas: 4 }\n`;

describe('A drain', () => {
  beforeAll(async () => {
    n1.start('init');
    await until('the context of n1', [n1], async () => (await n1.orc('get', 'nodes')).code === 0);
    await untilReady(n1, n1);
    await machines.join(w1, n1, 'worker');
  }, 120_000);

  const tasksOnW1 = async (): Promise<readonly Task[]> =>
    (await n1.get<Task>('tasks')).filter(
      ({ spec }) => spec.nodeName === 'w1' && spec.desiredState !== 'Shutdown',
    );

  test('ends though an image is missing, and takes what it is missing for elsewhere', async () => {
    writeFileSync(`${n1.dataDir}.yml`, manifest('missing', 'sim/missing:1'));
    await n1.must('apply', '-f', `${n1.dataDir}.yml`, '--no-wait');
    await until('tasks wait for their image on w1', [n1, w1], async () =>
      (await tasksOnW1()).some(({ status }) => status?.reason === 'ImagePullFailed'),
    );
    expect(await n1.orc('drain', 'w1', '--wait', '--timeout', '45s')).toMatchObject({ code: 0 });
    expect(await tasksOnW1()).toEqual([]);
    await until('all wait on n1', [n1], async () => {
      const tasks = await n1.get<Task>('tasks');
      return tasks.filter(({ spec }) => spec.nodeName === 'n1').length === 4;
    });
  }, 120_000);

  test('says before and at the end how many tasks have no other node, and what ends that; so does their service', async () => {
    await n1.must('uncordon', 'w1');
    await n1.must('node', 'label', 'w1', 'zone=eu');
    await n1.apply(
      'apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: bound }\n' +
        "spec: { image: 'sim/ok:1', replicas: 2, placement: { constraints: ['node.labels.zone == eu'] } }\n",
    );
    const { code, err } = await n1.orc('drain', 'w1', '--wait', '--timeout', '45s');
    expect(code).toBe(0);
    expect(err).toMatch(
      /^warning: 2 tasks have nowhere to go and stop: default\/bound \(2\); `orc uncordon w1` ends/,
    );
    expect(err).toMatch(/^warning: 2 tasks have nowhere to go: default\/bound \(2\); `orc uncordon w1`/m);
    await until('its service says so, too', [n1], async () =>
      (await n1.must('describe', 'service/bound')).includes('`orc uncordon w1` makes it take tasks again'),
    );
  }, 120_000);
});
