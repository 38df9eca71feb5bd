/** `orc ca` against a real API server; the test is the controller and the managers. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Cluster, ClusterCa } from '../../api-schemas/index.ts';
import { digestOf } from '../../kit/certificate.ts';
import { startTestCli, type TestCli } from './cli-harness.ts';

const from = 'aa'.repeat(32);
const time = '2030-01-01T00:00:00Z';
const ref = { kind: 'Cluster', namespace: '', name: 'orc' } as const;

describe('orc ca', () => {
  let t: TestCli;
  let to: string;
  beforeEach(async () => {
    t = await startTestCli();
    to = digestOf(t.api.pki.ca.cert);
    await t.api.store.registry.create<Cluster>({
      apiVersion: 'orc.dev/v1',
      kind: 'Cluster',
      metadata: { name: 'orc' },
      spec: {},
      status: { managers: { n1: { url: t.api.url, since: time, pki: { issuer: from, trust: [from] } } } },
    });
  });
  afterEach(() => t.stop());

  /** What the controller would say. */
  const play = (now: Partial<ClusterCa> & Pick<ClusterCa, 'phase'>): Promise<Cluster> =>
    t.api.store.registry.modify<Cluster>(ref, (cluster) => ({
      ...cluster,
      status: {
        ...cluster.status,
        ca: { rotation: 1, from, to, startedAt: time, since: time, waitingFor: [], skipped: [], ...now },
      },
    }));
  const spec = () => t.api.store.cache.get('Cluster', '', 'orc')?.spec.ca;

  test('rotate asks for a new CA, shows each phase as it comes, and ends when it is done', async () => {
    const rotate = t.start('ca', 'rotate', '--yes', '--wait-for-unreachable', '90s');
    await rotate.seen('rotation 1 is asked for; a manager that leads begins it');
    expect(spec()).toEqual({ rotation: 1, waitForUnreachable: '1m30s' });
    await play({ phase: 'Create', turn: 'n1', waitingFor: ['manager n1'] });
    await rotate.seen('rotation 1: Create, n1 has the turn: a manager makes the new CA');
    await play({ phase: 'Issue', waitingFor: ['node w'], skipped: ['node v'] });
    await rotate.seen('skipped: node v, out of reach; stop orc there and join it again');
    await play({ phase: 'Done', skipped: ['node v'] });
    const { code, out, err } = await rotate.ended;
    expect([code, out.includes(`the CA of the cluster is sha256 ${to} now`)]).toEqual([0, true]);
    expect(err).toMatch(/warning: node v was skipped: stop orc there and join it again/);
  });

  test('rotate begins nothing outside a terminal without --yes, and says what it would do', async () => {
    const { code, out, err } = await t.cli('ca', 'rotate');
    expect([code, err]).toEqual([2, expect.stringMatching(/only when somebody agrees[^]*hint: .*--yes/)]);
    expect(out).toMatch(/The CA .* is replaced by a new one[^]*1 managers, one at a time/);
    expect(spec()).toBeUndefined();
    const agreed = await t.cli('ca', 'rotate', '--yes', '--no-wait');
    expect([agreed.code, agreed.out]).toEqual([0, expect.stringContaining('1 managers, one at a time')]);
    expect(spec()?.rotation).toBe(1);
  });

  test('status --wait follows what is under way, and begins nothing', async () => {
    const none = await t.cli('ca', 'status', '--wait');
    expect([none.code, none.out]).toEqual([0, 'no rotation is under way: there is nothing to wait for\n']);
    expect(spec()).toBeUndefined();
    const began = await t.cli('ca', 'rotate', '--yes', '--no-wait');
    expect(began.err).toContain('`orc ca status --wait`');
    const late = await t.cli('ca', 'status', '--wait', '--timeout', '100ms');
    expect([late.code, late.err]).toEqual([
      3,
      expect.stringContaining('`orc ca status --wait` follows it again'),
    ]);
    const follow = t.start('ca', 'status', '--wait');
    await play({ phase: 'Trust', turn: 'n1', waitingFor: ['manager n1'] });
    await follow.seen('Trust, 0 of 1 managers done, n1 has the turn');
    await play({ phase: 'Done' });
    expect(await follow.ended).toMatchObject({
      code: 0,
      out: expect.stringContaining(`the CA of the cluster is sha256 ${to} now`),
    });
    expect(spec()).toEqual({ rotation: 1 });
  });

  test('rotate follows what is under way, goes on in the cluster when interrupted, and tells when time is up', async () => {
    await t.cli('ca', 'rotate', '--yes', '--no-wait');
    await play({ phase: 'Trust', turn: 'n1', waitingFor: ['manager n1'] });
    const again = t.start('ca', 'rotate');
    await again.seen(
      'rotation 1 is under way and is followed; no other is begun. --wait-for-unreachable stays 2m',
    );
    await again.seen('Trust, 0 of 1 managers done, n1 has the turn');
    const stopped = await again.stop();
    expect(stopped.code).toBe(130);
    expect(stopped.err).toMatch(/Interrupted: the rotation goes on in the cluster/);
    const late = await t.cli('ca', 'rotate', '--timeout', '1ms');
    expect([late.code, late.err]).toEqual([
      3,
      expect.stringMatching(/not done within the timeout; it goes on/),
    ]);
    const longer = await t.cli('ca', 'rotate', '--no-wait', '--wait-for-unreachable', '5m');
    expect(longer.out).toContain('--wait-for-unreachable is 5m from now on (it was 2m)');
    expect(spec()).toEqual({ rotation: 1, waitForUnreachable: '5m' });
  });

  test('rotate fails when the context was left behind', async () => {
    await t.cli('ca', 'rotate', '--yes', '--no-wait');
    await play({ phase: 'Trust', to: 'cc'.repeat(32) });
    const rotate = t.start('ca', 'rotate');
    await rotate.seen('Trust');
    await play({ phase: 'Done', to: 'cc'.repeat(32) });
    const { code, err } = await rotate.ended;
    expect([code, err]).toEqual([1, expect.stringMatching(/context "test" does not have the new CA/)]);
  });

  test('status says who has which CA, and ends with 1 when somebody has to join again', async () => {
    const before = await t.cli('ca', 'status');
    expect([before.code, before.out]).toEqual([0, expect.stringMatching(/Rotation +none yet/)]);
    await play({ phase: 'Done', finishedAt: time, skipped: ['manager n2', 'node n2'] });
    const { code, out } = await t.cli('ca', 'status');
    expect([code, out.match(/problem:/g)]).toEqual([1, ['problem:']]);
    expect(out).toMatch(/hint: stop orc there, `orc node rm n2`/);
    const json = JSON.parse((await t.cli('ca', 'status', '-o', 'json')).out) as Record<string, unknown>;
    expect(json).toMatchObject({
      isUnderWay: false,
      rotation: { rotation: 1, phase: 'Done' },
      managers: [{ name: 'n1', issuer: from }],
      problems: [{ message: expect.stringMatching(/^manager n2 /) }],
    });
  });
});
