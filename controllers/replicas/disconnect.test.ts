import { describe, expect, test } from '@jest/globals';
import type { Node, Service, Task } from '../../api-schemas/index.ts';
import { policyOf } from '../runtime/policy.ts';
import { nodesFor } from '../runtime/lost.ts';
import { asWritten } from '../runtime/sightings.ts';
import {
  aCondition,
  aNode,
  aRevision,
  aService,
  aTask,
  nodeMap,
  testNow,
  testNowMs,
} from '../runtime/testing.ts';
import { plan } from './plan.ts';
import { summarize } from './status.ts';

const steps = (
  service: Service,
  tasks: readonly Task[],
  nodes: ReadonlyMap<string, Node>,
): readonly string[] =>
  plan({ service, revisions: [aRevision(service)], tasks, nodes, now: testNow }).map(({ kind, task }) =>
    kind === 'CreateTask' ? `create ${task.spec.slot ?? ''}` : `${kind} ${task.metadata.name}`,
  );
const both = nodeMap(aNode('n1'), aNode('n2'));
const oneLost = nodeMap(aNode('n1', { lost: true }), aNode('n2'));

describe('what a service wants of a node that is out of reach', () => {
  const started = (service: Service, run: number, nodeName: string, startedAt: string): Task =>
    aTask(service, { run, nodeName, status: { startedAt } });
  const first = '2030-01-01T00:00:00Z';
  const later = '2030-01-01T00:05:00Z';
  const back = (reconcile: 'keepReplacement' | 'keepOriginal' | 'longestRunning' | 'bestScore') => {
    const service = aService({ replicas: 1, disconnect: { reconcile } });
    return steps(service, [started(service, 1, 'n1', first), started(service, 2, 'n2', later)], both);
  };

  test('the replacement stays when the node comes back, unless it says otherwise', () => {
    expect(back('keepReplacement')).toEqual(['RetireTask web-1-1']);
    expect(back('keepOriginal')).toEqual(['RetireTask web-1-2']);
    expect(back('longestRunning')).toEqual(['RetireTask web-1-2']);
  });

  test('the one that is out of reach is not told to stop before it can be compared, unless it is to go anyway', () => {
    const away = (reconcile: 'keepReplacement' | 'keepOriginal', nodes: ReadonlyMap<string, Node>) => {
      const service = aService({ replicas: 1, disconnect: { reconcile } });
      return steps(service, [started(service, 1, 'n1', first), started(service, 2, 'n2', later)], nodes);
    };
    expect(away('keepOriginal', oneLost)).toEqual([]);
    expect(away('keepReplacement', oneLost)).toEqual(['RetireTask web-1-1']);
    expect(away('keepOriginal', nodeMap(aNode('n2')))).toEqual(['RetireTask web-1-1']);
  });

  test('a node that is back has the time to say that its task has ended, before the replacement goes', () => {
    const returned = (secondsAgo: number, settled?: boolean): Node =>
      aNode('n1', {
        status: {
          ...(settled === undefined
            ? {}
            : { engine: { runtime: 'docker', version: '', apiVersion: '', reachable: true, settled } }),
          conditions: [
            {
              ...aCondition('Ready'),
              lastTransitionTime: new Date(testNowMs - secondsAgo * 1_000).toISOString(),
            },
            aCondition('Lost', 'False'),
          ],
        },
      });
    const quiet = '2029-12-31T00:00:00Z';
    const after = (reconcile: 'keepReplacement' | 'keepOriginal', secondsAgo: number, settled?: boolean) => {
      const service = aService({ replicas: 1, disconnect: { reconcile } });
      const tasks = [started(service, 1, 'n1', first), started(service, 2, 'n2', later)];
      const nodes = nodeMap(
        returned(secondsAgo, settled),
        aNode('n2', { status: { conditions: [{ ...aCondition('Ready'), lastTransitionTime: quiet }] } }),
      );
      const { wakeAtMs, ...view } = nodesFor(policyOf(service), nodes, testNowMs, asWritten);
      const revisions = [aRevision(service)];
      const planned = plan({ service, revisions, tasks, now: testNow, ...view });
      return { wakeAtMs, steps: planned.map(({ kind, task }) => `${kind} ${task.metadata.name}`) };
    };
    expect(after('keepOriginal', 1)).toEqual({ wakeAtMs: testNowMs + 2_000, steps: [] });
    expect(after('keepOriginal', 3)).toEqual({ wakeAtMs: undefined, steps: ['RetireTask web-1-2'] });
    expect(after('keepReplacement', 1).steps).toEqual(['RetireTask web-1-1']);
    // One that has not looked yet takes longer, and says so.
    expect(after('keepOriginal', 10, false)).toEqual({ wakeAtMs: testNowMs + 50_000, steps: [] });
    expect(after('keepOriginal', 10, true).steps).toEqual(['RetireTask web-1-2']);
    expect(after('keepOriginal', 61, false).steps).toEqual(['RetireTask web-1-2']);
  });

  test('the one on the emptier node stays, where that is wished', () => {
    const service = aService({ replicas: 2, disconnect: { reconcile: 'bestScore' } });
    const tasks = [
      started(service, 1, 'n1', first),
      started(service, 2, 'n2', later),
      aTask(service, { slot: 2, run: 1, nodeName: 'n1', name: 'web-2-1' }),
    ];
    expect(steps(service, tasks, both)).toEqual(['RetireTask web-1-1']);
  });

  test('nothing is replaced, where that is wished', () => {
    const kept = aService({ replicas: 1, disconnect: { replace: false } });
    expect(steps(kept, [aTask(kept, { nodeName: 'n1' })], oneLost)).toEqual([]);
    const replaced = aService({ replicas: 1 });
    expect(steps(replaced, [aTask(replaced, { nodeName: 'n1' })], oneLost)).toEqual(['create 1']);
  });

  test('tasks are told when they are to be stopped without a server', () => {
    const service = aService({ replicas: 1, disconnect: { stopOnClientAfter: '30s' } });
    expect(steps(service, [aTask(service, { nodeName: 'n1' })], both)).toEqual(['SetStopOnClient web-1-1']);
    expect(steps(service, [aTask(service, { nodeName: 'n1', stopOnClientAfter: '30s' })], both)).toEqual([]);
    const [made] = plan({ service, revisions: [aRevision(service)], tasks: [], nodes: both, now: testNow });
    expect(made?.task.spec.stopOnClientAfter).toBe('30s');
  });
});

test('a task leaves a node whose taint expels it, and stays where new ones only keep away', () => {
  const service = aService({ replicas: 1 });
  const tainted = (effect: 'NoSchedule' | 'NoExecute') =>
    nodeMap(aNode('n1', { taints: [{ key: 'gpu', effect }] }), aNode('n2'));
  expect(steps(service, [aTask(service, { nodeName: 'n1' })], tainted('NoSchedule'))).toEqual([]);
  expect(steps(service, [aTask(service, { nodeName: 'n1' })], tainted('NoExecute'))).toEqual(['create 1']);
});

describe('a drain', () => {
  const draining = nodeMap(aNode('n1', { availability: 'drain' }), aNode('n2'));
  const three = (service: Service, more: Partial<Parameters<typeof aTask>[1]> = {}): Task[] =>
    [1, 2, 3].map((slot) => aTask(service, { slot, nodeName: 'n1', name: `old-${slot}`, ...more }));

  test('leaves no more slots unready than the budget says, where it stops first', () => {
    const of = (maxUnavailable?: number): Service =>
      aService({
        replicas: 3,
        update: { order: 'stop-first' },
        ...(maxUnavailable === undefined ? {} : { disruption: { maxUnavailable } }),
      });
    const retired = (service: Service): readonly string[] =>
      steps(service, three(service), draining).filter((step) => step.startsWith('Retire'));
    expect(retired(of())).toHaveLength(3);
    expect(retired(of(2))).toEqual(['RetireTask old-1', 'RetireTask old-2']);
    expect(retired(of(0))).toEqual([]);
  });

  test('goes on with the next slot when the one before is ready again', () => {
    const service = aService({
      replicas: 3,
      update: { order: 'stop-first' },
      disruption: { maxUnavailable: 1 },
    });
    const [first, ...rest] = three(service);
    const stopped = {
      ...(first as Task),
      spec: { ...(first as Task).spec, desiredState: 'Shutdown' as const },
    };
    const again = (state: 'Starting' | 'Running') =>
      aTask(service, { slot: 1, run: 2, nodeName: 'n2', name: 'new-1', state });
    expect(steps(service, [stopped, again('Starting'), ...rest], draining)).toEqual([]);
    expect(steps(service, [stopped, again('Running'), ...rest], draining)).toEqual([
      'RetireTask old-2',
      'create 2',
    ]);
  });

  test('with a budget keeps tasks whose replacement fits nowhere, and the service says so', () => {
    const service = aService({ replicas: 1, disruption: { maxUnavailable: 0 } });
    const pending = aTask(service, {
      run: 2,
      name: 'new-1',
      state: 'Pending',
      status: { conditions: [aCondition('Scheduled', 'False')] },
    });
    const old = aTask(service, { nodeName: 'n1', name: 'old-1' });
    expect(steps(service, [old, pending], draining)).toEqual([]);
    const view = { service, revisions: [aRevision(service)], tasks: [old, pending], nodes: draining };
    const held = summarize(view, undefined).conditions.find(({ type }) => type === 'DrainHeld');
    expect(held?.message).toMatch(/^1 tasks stay on n1, .* 0 slots are unready, and at most 0 may be/);
    const free = aService({ replicas: 1 });
    expect(steps(free, [aTask(free, { nodeName: 'n1', name: 'old-1' }), pending], draining)).toEqual([
      'RetireTask old-1',
    ]);
  });
});

describe('a singleton', () => {
  const service = aService({ singleton: true });
  const task = (wish: Parameters<typeof aTask>[1]): Task =>
    aTask(service, { stopOnClientAfter: '5s', ...wish });

  test('is started elsewhere only when the old one has ended', () => {
    const draining = nodeMap(aNode('n1', { availability: 'drain' }), aNode('n2'));
    expect(steps(service, [task({ nodeName: 'n1' })], draining)).toEqual(['RetireTask web-1-1']);
    const stopping = task({ nodeName: 'n1', desiredState: 'Shutdown' });
    expect(steps(service, [stopping], draining)).toEqual([]);
    expect(steps(service, [{ ...stopping, status: { state: 'Shutdown' } }], draining)).toEqual(['create 1']);
  });

  test('counts a node as lost only when that has stopped it: 5 s, the grace period and a margin', () => {
    const away = aNode('n1', {
      lost: true,
      status: {
        conditions: [
          aCondition('Connected', 'False'),
          aCondition('Ready', 'Unknown', { reason: 'HeartbeatLost' }),
          aCondition('Lost'),
        ],
      },
    });
    const nodes = nodeMap(away, aNode('n2'));
    const at = (ms: number) => {
      const view = nodesFor(policyOf(service), nodes, testNowMs + ms, asWritten);
      return { steps: steps(service, [task({ nodeName: 'n1' })], view.nodes), wakeAtMs: view.wakeAtMs };
    };
    expect(at(19_999)).toEqual({ steps: [], wakeAtMs: testNowMs + 20_000 });
    expect(at(20_000)).toEqual({ steps: ['create 1'], wakeAtMs: undefined });
  });
});

describe('a service that gives nodes up sooner or later than others', () => {
  const node = (reason: string, lost: boolean): Node =>
    aNode('n1', {
      status: {
        conditions: [
          aCondition('Connected', 'False'),
          aCondition('Ready', 'Unknown', { reason: 'HeartbeatLost' }),
          aCondition('Lost', lost ? 'True' : 'False', { reason }),
        ],
      },
    });
  const lostAt = (lostAfter: string, one: Node, ms: number): boolean => {
    const policy = policyOf(aService({ disconnect: { lostAfter } }));
    const { nodes } = nodesFor(policy, nodeMap(one), testNowMs + ms, asWritten);
    return nodes.get('n1')?.status?.conditions?.find((c) => c.type === 'Lost')?.status === 'True';
  };

  test('sooner once the node is not ready, later as long as it likes, never those held back', () => {
    expect(lostAt('3s', node('InReach', false), 3_000)).toBe(true);
    expect(lostAt('3s', node('ManyNodesOut', false), 3_000)).toBe(false);
    expect(lostAt('1m', node('HeartbeatLost', true), 59_000)).toBe(false);
    expect(lostAt('1m', node('HeartbeatLost', true), 60_000)).toBe(true);
  });
});
