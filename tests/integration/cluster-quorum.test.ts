/** What a person is told where the majority of the managers is away. */
import { existsSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startMachines, until, untilReady, type Machines } from './cluster-harness.ts';

const machines: Machines = startMachines();
const [a, b] = [machines.machine('a'), machines.machine('b')];
afterAll(() => machines.stop());

describe('without a quorum', () => {
  beforeAll(async () => {
    a.start('init');
    await until('the context of a', [a], async () => (await a.orc('get', 'nodes')).code === 0);
    await untilReady(a, a);
    await machines.join(b, a, 'manager');
    await b.crash();
    await until('a has no quorum', [a], async () =>
      /there is no quorum/.test((await a.orc('cluster', 'status')).out),
    );
  }, 120_000);

  test('no backup is made, with the reason and the way out, which works', async () => {
    const file = `${a.dataDir}.backup`;
    const passphrase = `${a.dataDir}.passphrase`;
    writeFileSync(passphrase, 'long enough');
    const backup = (...more: readonly string[]) =>
      a.orc('cluster', 'backup', file, '--passphrase-file', passphrase, ...more);
    const { code, err } = await backup();
    expect([code, existsSync(file)]).toEqual([1, false]);
    expect(err).toMatch(/^error: there is no quorum: too few managers run[^]*\nhint: .*--stale`/);
    expect(await backup('--stale')).toMatchObject({ code: 0, out: expect.stringContaining('checked') });
  });

  test('a manager that starts says that it waits for a majority, and which managers it knows', async () => {
    await a.crash();
    a.start('up');
    await until('a says so', [a], () =>
      new RegExp(`waiting for a majority of the managers .*it knows ${b.address}:6750`).test(a.log()),
    );
    await a.end();
  }, 90_000);

  test('a manager that would leave says what to do instead, and gives up with the code of a timeout', async () => {
    const { code, err } = await a.orc('leave', '--runtime', 'simulated', '--data-dir', a.dataDir);
    const ways = '`orc leave --force` here, and `orc node rm a` on a manager that goes on';
    expect(err).toContain(`waiting for the other managers (10s of 60s)`);
    expect(err.split(ways).length).toBeGreaterThan(2);
    expect(err).toMatch(/error: the other managers were not reached[^]*\nhint: .*orc leave --force/);
    expect(code).toBe(3);
  }, 120_000);
});
