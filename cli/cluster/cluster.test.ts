import { describe, expect, test } from '@jest/globals';
import { peerAnnotation, type EtcdMember, type EtcdStatus } from '../../api-schemas/cluster-api.ts';
import type { Node } from '../../api-schemas/index.ts';
import type { Table } from '../../client/index.ts';
import { withManagers } from './list.ts';
import { managerStates, type Seen } from './managers.ts';
import { adviceFor } from './quorum.ts';
import { judge } from './roles.ts';
import { findTarget, planRemoval, type RemovalView } from './remove.ts';

const member = (id: string, name: string) => ({ id, name, peerUrls: [], isLearner: false, isStarted: true });
const own: EtcdStatus = {
  id: '1',
  isLeader: false,
  isLearner: false,
  leaderId: '2',
  raftTerm: 1,
  raftIndex: 9,
  appliedIndex: 9,
  dbBytes: 1,
  dbInUseBytes: 1,
  alarms: [],
  version: '3.5',
};

describe('managers', () => {
  const managers = ['a', 'b', 'c'];
  const members = [member('1', 'a'), member('2', 'b'), member('3', 'c')];

  test('lead, are reached, or are not', () => {
    const states = managerStates({ managers, alive: new Set(['a', 'b']), etcd: { members, own } });
    expect(Object.fromEntries(states)).toEqual({ a: 'Reachable', b: 'Leader', c: 'Unreachable' });
  });

  test('are not known of without a quorum, and none leads in an etcd of the user’s', () => {
    const { leaderId: _, ...lost } = own;
    const states = managerStates({ managers, alive: new Set(managers), etcd: { members, own: lost } });
    expect(new Set(states.values())).toEqual(new Set(['Unknown']));
    const external = managerStates({ managers, alive: new Set(['a']), etcd: undefined });
    expect(Object.fromEntries(external)).toEqual({ a: 'Reachable', b: 'Unreachable', c: 'Unreachable' });
  });

  test('have a column of their own, behind the role', () => {
    const column = (name: string) => ({ name, type: 'string', format: '', priority: 0 });
    const table: Table = {
      kind: 'Table',
      metadata: {},
      columnDefinitions: [column('Name'), column('Role'), column('Age')],
      rows: [{ cells: ['a', 'manager', '1s'] }, { cells: ['w', 'worker', '2s'] }],
    };
    const { columnDefinitions, rows } = withManagers(table, new Map([['a', 'Leader']]));
    expect(columnDefinitions.map(({ name }) => name)).toEqual(['Name', 'Role', 'Manager', 'Age']);
    expect(rows.map(({ cells }) => cells)).toEqual([
      ['a', 'manager', 'Leader', '1s'],
      ['w', 'worker', '-', '2s'],
    ]);
  });
});

describe('removing a node', () => {
  const node = (connected: 'True' | 'False'): Node => ({
    apiVersion: 'orc.dev/v1',
    kind: 'Node',
    metadata: { name: 'x' },
    spec: {},
    status: {
      conditions: [
        { type: 'Connected', status: connected, reason: 'R', message: '', lastTransitionTime: '' },
      ],
    },
  });
  const worker = { state: undefined };
  const plan = (view: RemovalView, force = false): unknown => {
    const planned = planRemoval('x', view, force);
    return 'refused' in planned ? planned.refused.message : planned.steps;
  };

  test('deletes what is gone, and what is connected only by force', () => {
    expect(plan({ ...worker, node: node('False') })).toEqual(['DeleteNode']);
    expect(plan({ ...worker, node: node('True') })).toMatch(/is connected/);
    expect(plan({ ...worker, node: node('True') }, true)).toEqual(['DeleteNode']);
    expect(plan({ ...worker, node: undefined }, true)).toMatch(/there is no node x/);
  });

  test('takes out of etcd what was added and never came, and by force what has started and has no vote', () => {
    const added = { ...member('9', ''), isLearner: true, isStarted: false };
    const gone = { state: 'Unreachable', member: added } as const;
    expect(plan({ ...gone, node: undefined })).toEqual(['LeaveEtcd']);
    expect(plan({ ...gone, node: node('False') })).toEqual(['LeaveEtcd', 'DeleteNode']);
    expect(plan({ ...gone, node: node('True') })).toMatch(/is connected/);
    const started = { ...gone, node: undefined, member: { ...added, name: 'x', isStarted: true } };
    expect(plan(started)).toMatch(/x is being added/);
    expect(plan(started, true)).toEqual(['LeaveEtcd']);
  });

  test('finds it by its name, and its etcd by id and address, too', () => {
    const peer = 'https://10.0.0.9:6751';
    const added = { ...member('9', ''), peerUrls: [peer], isLearner: true, isStarted: false };
    const x: Node = { ...node('False'), metadata: { name: 'x', annotations: { [peerAnnotation]: peer } } };
    const found = (word: string, nodes: readonly Node[], ...members: readonly EtcdMember[]): unknown => {
      const { name, ...target } = findTarget(word, nodes, members);
      return [name, target.node?.metadata.name, target.member?.id];
    };
    for (const word of ['x', '9', '10.0.0.9:6751']) expect(found(word, [x], added)).toEqual(['x', 'x', '9']);
    expect(found('10.0.0.9:6751', [], added)).toEqual(['10.0.0.9:6751', undefined, '9']);
    expect(found('x', [], member('3', 'x'))).toEqual(['x', undefined, '3']);
    // Another machine has that address now.
    expect(found('x', [x], { ...added, name: 'y', isStarted: true })).toEqual(['x', 'x', undefined]);
    expect(found('nobody', [x], added)).toEqual(['nobody', undefined, undefined]);
  });

  test('takes a manager that is down out of etcd first, and never one that runs', () => {
    const down = { state: 'Unreachable' } as const;
    expect(plan({ ...down, node: node('False') })).toEqual(['LeaveEtcd', 'DeleteNode']);
    expect(plan({ ...down, node: undefined })).toEqual(['LeaveEtcd']);
    expect(plan({ state: 'Reachable', node: node('True') }, true)).toMatch(/is a manager that runs/);
    expect(plan({ state: 'Unknown', node: node('True') }, true)).toMatch(/no quorum/);
  });
});

describe('the role of a node', () => {
  const node = (name: string, role: 'manager' | 'worker', wanted?: 'manager' | 'worker'): Node => ({
    apiVersion: 'orc.dev/v1',
    kind: 'Node',
    metadata: { name },
    spec: wanted === undefined ? {} : { role: wanted },
    status: { role },
  });
  const seen = (alive: readonly string[], ...managers: readonly string[]): Seen => ({
    managers,
    alive: new Set(alive),
    etcd: { own, members: managers.map((name, i) => member(String(i + 1), name)) },
  });
  const verdict = (one: Node, role: 'manager' | 'worker', view: Seen): string => {
    const judged = judge(one, role, view);
    return judged instanceof Error ? judged.message : judged;
  };

  test('is changed once, and found to be so after that', () => {
    const view = seen(['a', 'b', 'c'], 'a', 'b', 'c');
    expect(verdict(node('w', 'worker'), 'manager', view)).toBe('Change');
    expect(verdict(node('a', 'manager'), 'manager', view)).toBe('Already');
    expect(verdict(node('a', 'manager'), 'worker', view)).toBe('Change');
    expect(verdict(node('w', 'worker'), 'worker', view)).toBe('Already');
    // It is still on its way back.
    expect(verdict(node('a', 'manager', 'worker'), 'manager', view)).toBe('Change');
  });

  test('is what its server has said, where there has never been an agent', () => {
    const said: Node = {
      ...node('s', 'worker', 'worker'),
      status: {
        conditions: [
          { type: 'RoleApplied', status: 'True', reason: 'IsWorker', message: '', lastTransitionTime: '' },
        ],
      },
    };
    const view = seen(['a'], 'a');
    expect(verdict(said, 'worker', view)).toBe('Already');
    expect(verdict({ ...said, status: {} }, 'worker', view)).toBe('Change');
  });

  test('stays where the cluster would be lost by a change', () => {
    expect(verdict(node('a', 'manager'), 'worker', seen(['a'], 'a'))).toMatch(/a is the only manager/);
    const oneDown = seen(['a', 'b'], 'a', 'b', 'c');
    expect(verdict(node('a', 'manager'), 'worker', oneDown)).toMatch(/of the other 2, 2 must. Start c/);
    expect(verdict(node('c', 'manager'), 'worker', oneDown)).toBe('Change');
    const { leaderId: _, ...lost } = own;
    const none = { ...oneDown, etcd: { own: lost, members: [] } };
    expect(verdict(node('w', 'worker'), 'manager', none)).toMatch(/no quorum/);
    expect(verdict(node('w', 'worker'), 'manager', { ...oneDown, etcd: undefined })).toMatch(/etcd of yours/);
  });

  test('is worth a word where the number of managers is', () => {
    expect(adviceFor(3)).toBeUndefined();
    expect(adviceFor(1)).toMatch(/^one manager/);
    expect(adviceFor(2)).toMatch(/^2 managers survive the loss of none, as one does/);
    expect(adviceFor(4)).toMatch(/^4 managers survive the loss of 1, as 3 do/);
  });
});
