import { describe, expect, test } from '@jest/globals';
import { peerAnnotation, type ServerStatus } from '../../api-schemas/cluster-api.ts';
import type { Cluster, ClusterCa, Node } from '../../api-schemas/index.ts';
import { golden } from '../testing.ts';
import { problemsOf } from './problems.ts';
import type { ManagerReport, Report } from './report.ts';
import { linesOf } from './status.ts';

const nowMs = Date.parse('2030-01-01T00:00:00Z');
const ids: Readonly<Record<string, string>> = { a: '1', b: '2', c: '3' };
const members = Object.entries(ids).map(([name, id]) => ({
  id,
  name,
  peerUrls: [`https://10.0.0.${id}:6751`],
  isLearner: false,
  isStarted: true,
}));

type Etcd = NonNullable<ServerStatus['etcd']>;
const manager = (
  name: string,
  change: Partial<Etcd['own']> = {},
  status: Partial<ServerStatus> = {},
): ManagerReport => {
  const id = ids[name] ?? '9';
  return {
    name,
    url: `https://10.0.0.${id}:6750`,
    clockOffsetMs: 3,
    status: {
      name,
      version: '0.1.0',
      since: '2029-12-31T20:00:00Z',
      now: '2030-01-01T00:00:00Z',
      isCurrent: true,
      sessions: 2,
      ca: { digest: 'ab'.repeat(32), notAfter: '2049-12-31T00:00:00Z' },
      clusterId: 'cd'.repeat(8),
      certificatesUntil: '2030-12-01T00:00:00Z',
      etcd: {
        members,
        own: {
          id,
          isLeader: name === 'a',
          isLearner: false,
          leaderId: '1',
          raftTerm: 3,
          raftIndex: 120,
          appliedIndex: 120,
          dbBytes: 2 ** 20,
          dbInUseBytes: 2 ** 19,
          alarms: [],
          version: '3.5.1',
          ...change,
        },
      },
      ...status,
    },
  };
};
const gone = (name: string): ManagerReport => ({
  name,
  url: `https://10.0.0.${ids[name] ?? '9'}:6750`,
  problem: 'no answer within 2 s',
});
const node = (name: string, ready: 'True' | 'Unknown', spec: Node['spec'] = {}): Node => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Node',
  metadata: { name },
  spec,
  status: {
    conditions: [
      {
        type: 'Ready',
        status: ready,
        reason: ready === 'True' ? 'AgentReady' : 'HeartbeatLost',
        message: 'said so',
        lastTransitionTime: '2030-01-01T00:00:00Z',
      },
    ],
  },
});
const cluster: Cluster = {
  apiVersion: 'orc.dev/v1',
  kind: 'Cluster',
  metadata: { name: 'orc' },
  spec: { tokens: { worker: 2 } },
};
const healthy: Report = {
  cluster,
  managers: [manager('a'), manager('b', { appliedIndex: 118 }), manager('c')],
  nodes: [node('a', 'True'), node('b', 'True'), node('c', 'True', { availability: 'pause' })],
  leaders: { scheduler: 'a', nodes: 'b', gc: 'a' },
  nowMs,
};
const messages = (change: Partial<Report>): readonly string[] =>
  problemsOf({ ...healthy, ...change }).map(({ message }) => message);

describe('the status of a cluster', () => {
  test('is told at a glance, and needs nobody when all is well', () => {
    expect(problemsOf(healthy)).toEqual([]);
    const text = [...linesOf(healthy), ''].join('\n');
    expect(text).toBe(golden('cluster-status.txt', text));
  });

  test('names who is not reached, and what to do', () => {
    const report: Report = {
      ...healthy,
      managers: [manager('a'), manager('b'), gone('c')],
      nodes: [node('a', 'True'), node('c', 'Unknown')],
    };
    expect(problemsOf(report)).toEqual([
      {
        message: 'manager c (https://10.0.0.3:6750) is not reached: no answer within 2 s',
        remedy: 'start orc there, or mend the network; if it does not come back: `orc node rm c`',
      },
      { message: 'node c is not ready: HeartbeatLost: said so', remedy: '`orc describe node/c` says more' },
    ]);
    const text = [...linesOf(report), ''].join('\n');
    expect(text).toBe(golden('cluster-status-one-down.txt', text));
  });

  test('says first that there is no quorum, and how to come out of it', () => {
    const { leaderId: _, ...own } = manager('a').status?.etcd?.own ?? {};
    const alone = manager('a', {}, { isCurrent: false });
    const lost: ManagerReport = {
      ...alone,
      ...(alone.status && { status: { ...alone.status, etcd: { members, own: own as Etcd['own'] } } }),
    };
    const [first, ...others] = problemsOf({ ...healthy, managers: [lost, gone('b'), gone('c')] });
    expect(first?.message).toMatch(/^there is no quorum: of 3 managers 2 must run/);
    expect(first?.remedy).toContain('`orc cluster recover --force`');
    expect(others.map(({ remedy }) => remedy)).toEqual(
      Array.from({ length: 2 }, () => 'start orc there, or mend the network'),
    );
  });

  test('says of who was skipped while the CA was replaced that it is to join again, and nothing else', () => {
    const skipped = ['node d', 'manager c', 'node c'];
    const when = { startedAt: '', since: '' };
    const ca: ClusterCa = {
      rotation: 1,
      phase: 'Done',
      from: 'a',
      to: 'b',
      ...when,
      waitingFor: [],
      skipped,
    };
    const report: Report = {
      ...healthy,
      cluster: { ...cluster, status: { ca } },
      managers: [manager('a'), manager('b'), gone('c')],
      nodes: [node('a', 'True'), node('c', 'Unknown'), node('d', 'Unknown')],
    };
    expect(problemsOf(report)).toEqual([
      {
        message: expect.stringMatching(/^node d does not trust the present CA: .*out of reach/),
        remedy: expect.stringContaining('join it again'),
      },
      {
        message: expect.stringMatching(/^manager c does not trust the present CA/),
        remedy: expect.stringContaining('`orc node rm c`'),
      },
    ]);
  });

  test('names the command that removes a manager that was added and does not come', () => {
    const peer = 'https://10.0.0.9:6751';
    const told = (name: string, ...nodes: readonly Node[]): unknown => {
      const learner = { id: '9', name, peerUrls: [peer], isLearner: true, isStarted: name !== '' };
      const [a, ...others] = healthy.managers;
      const etcd = a?.status?.etcd;
      if (a?.status === undefined || etcd === undefined) throw new Error('no etcd');
      const seen = { ...a, status: { ...a.status, etcd: { ...etcd, members: [...members, learner] } } };
      const problems = problemsOf({ ...healthy, managers: [seen, ...others], nodes });
      return problems.map(({ message, remedy }) => `${message}: ${remedy}`);
    };
    const x: Node = {
      ...node('x', 'True'),
      metadata: { name: 'x', annotations: { [peerAnnotation]: peer } },
    };
    expect(told('')).toEqual([
      'a manager was added at 10.0.0.9:6751 and has not started; no other can be added meanwhile: ' +
        'start orc on that machine; if it does not come: `orc node rm 10.0.0.9:6751`',
    ]);
    expect(told('', x)).toEqual([expect.stringMatching(/^manager x was added .*`orc node rm x`$/)]);
    expect(told('y')).toEqual([expect.stringMatching(/^manager y .* no vote yet.*`orc node rm y --force`$/)]);
  });

  test('finds what etcd, clocks and certificates say', () => {
    const [a, b, c] = healthy.managers;
    const with_ = (...managers: (ManagerReport | undefined)[]) =>
      messages({ managers: managers.flatMap((m) => m ?? []) });
    expect(with_(a, b, manager('c', { alarms: [{ memberId: '3', kind: 'full' }] }))).toEqual([
      'the database of etcd on c is full: nothing can be written',
    ]);
    expect(
      with_(
        manager('a', { raftIndex: 90_000, appliedIndex: 90_000 }),
        b && manager('b', { raftIndex: 90_000, appliedIndex: 90_000 }),
        c,
      ),
    ).toEqual(['c is 89880 entries behind the leader of etcd']);
    expect(with_(a, b, c && { ...c, clockOffsetMs: -9_000 })).toEqual([
      'the clock of b is 9s ahead of that of c',
    ]);
    expect(with_(a, b, manager('c', {}, { certificatesUntil: '2030-01-05T00:00:00Z' }))).toEqual([
      'a certificate of c ends on 2030-01-05 and was not renewed',
    ]);
    expect(with_(a, b)).toEqual(['c has a vote in etcd and is no manager that has said where it is']);
    expect(messages({ leaders: {} })).toEqual([
      'no controller has a leader: nothing that is declared is made so',
    ]);
  });
});
