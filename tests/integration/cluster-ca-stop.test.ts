/** A manager that is to stop while its etcd cannot come back, since the other manager went away in the middle. */
import { afterAll, expect, test } from '@jest/globals';
import { startMachines, until, untilReady, type Machines } from './cluster-harness.ts';

const machines: Machines = startMachines();
const [a, b] = [machines.machine('a'), machines.machine('b')];
afterAll(() => machines.stop());

test('a manager stops although the quorum is lost while its etcd restarts for a new CA', async () => {
  a.start('init');
  await until('the context of a', [a], async () => (await a.orc('get', 'nodes')).code === 0);
  await untilReady(a, a);
  await machines.join(b, a, 'manager');
  await a.must('ca', 'rotate', '--yes', '--no-wait');
  await until('the etcd of b restarts', [a, b], () => /started again, to go by other/.test(b.log()));
  await a.crash();
  await b.end();
  expect(b.isRunning()).toBe(false);
  // Both go on with it when they are back.
  a.start('up');
  b.start('up');
  await until('it is done', [a, b], async () => {
    const { code, out } = await a.orc('get', 'cluster', 'orc', '-o', 'json');
    return code === 0 && out.includes('"phase": "Done"');
  });
}, 180_000);
