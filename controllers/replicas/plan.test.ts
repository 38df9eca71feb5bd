import { describe, expect, test } from '@jest/globals';
import type { Node, Revision, Service, Task } from '../../api-schemas/index.ts';
import { aCondition, aNode, aRevision, aService, aTask, nodeMap, testNow } from '../runtime/testing.ts';
import { plan } from './plan.ts';

const two = nodeMap(aNode('n1'), aNode('n2'));
const steps = (
  service: Service,
  tasks: readonly Task[],
  nodes: ReadonlyMap<string, Node> = two,
  revisions: readonly Revision[] = [aRevision(service)],
): readonly string[] =>
  plan({ service, revisions, tasks, nodes, now: testNow }).map(({ kind, task }) => {
    const { slot, nodeName, restarts, notBefore } = task.spec;
    const wait = notBefore === undefined ? '' : ` after ${Date.parse(notBefore) - Date.parse(testNow)}ms`;
    return kind === 'CreateTask'
      ? `create ${slot ?? nodeName ?? ''}${restarts === undefined ? '' : ` restart ${restarts}`}${wait}`
      : `${kind.replace('Task', '').toLowerCase()} ${task.metadata.name}`;
  });
const web = (replicas: number, more: Partial<Service['spec']> = {}): Service =>
  aService({ replicas, ...more });
const failed = (service: Service, wish: Parameters<typeof aTask>[1] = {}): Task =>
  aTask(service, {
    state: 'Failed',
    nodeName: 'n1',
    ...wish,
    status: { exitCode: 1, finishedAt: testNow, ...wish?.status },
  });

describe('replicas plan', () => {
  test('creates the missing tasks, lowest slots first', () => {
    const service = web(3);
    expect(steps(service, [aTask(service, { slot: 2, nodeName: 'n1' })])).toEqual(['create 1', 'create 3']);
  });

  test('names a task after what it replaces, the same each time', () => {
    const service = web(1);
    const revisions = [aRevision(service)];
    const make = (tasks: readonly Task[]) =>
      plan({ service, revisions, tasks, nodes: two, now: testNow })[0]?.task.metadata.name;
    expect(make([])).toBe(make([]));
    expect(make([failed(service)])).not.toBe(make([]));
    expect(make([])).toMatch(/^web-1-[0-9a-f]{5}$/);
  });

  test('restarts at once, then later and later up to the longest delay', () => {
    const service = web(1, { restart: { delay: '2s', maxDelay: '10s' } });
    const after = (restarts: number) => steps(service, [failed(service, { restarts })]);
    expect(after(0)).toEqual(['create 1 restart 1']);
    expect(after(1)).toEqual(['create 1 restart 2 after 2000ms']);
    expect(after(2)).toEqual(['create 1 restart 3 after 4000ms']);
    expect(after(8)).toEqual(['create 1 restart 9 after 10000ms']);
  });

  test('begins to count anew after a task that ran for the window', () => {
    const service = web(1, { restart: { window: '1m' } });
    const startedAt = new Date(Date.parse(testNow) - 60_000).toISOString();
    expect(steps(service, [failed(service, { restarts: 7, status: { startedAt } })])).toEqual([
      'create 1 restart 1',
    ]);
  });

  test('gives a slot up when its restarts are used up, and keeps the task that tells why', () => {
    const service = web(1, { restart: { maxAttempts: 2 }, taskHistoryLimit: 0 });
    expect(steps(service, [failed(service, { restarts: 2 })])).toEqual([]);
  });

  test('lets a completed task be where the policy says so', () => {
    const done = (condition: 'any' | 'on-failure' | 'none') => {
      const service = web(1, { restart: { condition } });
      return steps(service, [failed(service, { state: 'Complete' })]);
    };
    expect(done('any')).toEqual(['create 1 restart 1']);
    expect(done('on-failure')).toEqual([]);
    expect(done('none')).toEqual([]);
  });

  test('scales down those that do not serve, then those on bad nodes, then the highest', () => {
    const service = web(1);
    const tasks = [
      aTask(service, { slot: 1, nodeName: 'n1' }),
      aTask(service, { slot: 2, nodeName: 'n1', state: 'Starting' }),
      aTask(service, { slot: 3, nodeName: 'n2' }),
      aTask(service, { slot: 4, nodeName: 'n1' }),
    ];
    const nodes = nodeMap(aNode('n1'), aNode('n2', { ready: false }));
    expect(steps(service, tasks, nodes)).toEqual(['delete web-2-1', 'delete web-3-1', 'delete web-4-1']);
    expect(steps(web(2), tasks, nodes)).toEqual(['delete web-2-1', 'delete web-3-1']);
  });

  test('takes the history of a slot away with the slot', () => {
    const service = web(1);
    const tasks = [
      aTask(service, { nodeName: 'n1' }),
      failed(service, { slot: 2, desiredState: 'Shutdown' }),
    ];
    expect(steps(service, tasks)).toEqual(['delete web-2-1']);
  });

  test('keeps as many finished tasks of a slot as wanted', () => {
    const service = web(1, { taskHistoryLimit: 2 });
    const history = [1, 2, 3, 4].map((run) => failed(service, { run }));
    expect(steps(service, [...history, aTask(service, { run: 5, nodeName: 'n1' })])).toEqual([
      'delete web-1-1',
      'delete web-1-2',
    ]);
  });

  test('deletes a task that has no node yet instead of stopping it', () => {
    const service = web(0);
    expect(steps(service, [aTask(service, { state: 'Pending' })])).toEqual(['delete web-1-1']);
  });

  test('replaces a task that is being deleted by a user', () => {
    const service = web(1);
    expect(steps(service, [aTask(service, { nodeName: 'n1', deleting: true })])).toEqual(['create 1']);
  });

  describe('on a lost node', () => {
    const service = web(1);
    const lost = nodeMap(aNode('n1', { lost: true }), aNode('n2'));
    const old = aTask(service, { nodeName: 'n1' });
    const beside = (
      state: Task['status'] extends infer S | undefined ? (S extends { state: infer T } ? T : never) : never,
    ) => aTask(service, { run: 2, nodeName: 'n2', state });

    test('makes a replacement beside', () => {
      expect(steps(service, [old], lost)).toEqual(['create 1']);
      expect(steps(service, [old, beside('Starting')], lost)).toEqual([]);
    });
    test('stops the old one when the replacement runs', () => {
      expect(steps(service, [old, beside('Running')], lost)).toEqual(['retire web-1-1']);
    });
    test('drops the replacement when the node comes back first', () => {
      expect(steps(service, [old, beside('Starting')])).toEqual(['retire web-1-2']);
      expect(steps(service, [old, aTask(service, { run: 2, state: 'Pending' })])).toEqual(['delete web-1-2']);
    });
    test('stops the old one when the node comes back later', () => {
      expect(steps(service, [old, beside('Running')])).toEqual(['retire web-1-1']);
    });
    test('slows down a replacement that fails', () => {
      const crashed = failed(service, { run: 2, nodeName: 'n2', restarts: 3 });
      expect(steps(service, [old, crashed], lost)).toEqual(['create 1 restart 4 after 4000ms']);
    });
    test('forgets what is to stop when the node is no more', () => {
      const held: Task = { ...old, metadata: { ...old.metadata, finalizers: ['orc.dev/container'] } };
      expect(steps(service, [held, beside('Running')], nodeMap(aNode('n2')))).toEqual(['forget web-1-1']);
    });
  });

  describe('on a draining node', () => {
    const drain = nodeMap(aNode('n1', { availability: 'drain' }), aNode('n2'));

    test('starts the replacement first', () => {
      const service = web(1);
      const old = aTask(service, { nodeName: 'n1' });
      expect(steps(service, [old], drain)).toEqual(['create 1']);
      expect(
        steps(service, [old, aTask(service, { run: 2, nodeName: 'n2', state: 'Starting' })], drain),
      ).toEqual([]);
      expect(steps(service, [old, aTask(service, { run: 2, nodeName: 'n2' })], drain)).toEqual([
        'retire web-1-1',
      ]);
    });
    test('does not wait for the replacement of what does not run yet', () => {
      const service = web(1);
      for (const state of ['Assigned', 'Preparing', 'Starting'] as const) {
        const old = aTask(service, { nodeName: 'n1', state });
        expect(steps(service, [old], drain)).toEqual(['retire web-1-1', 'create 1']);
        const beside = aTask(service, { run: 2, nodeName: 'n2', state: 'Preparing' });
        expect(steps(service, [old, beside], drain)).toEqual(['retire web-1-1']);
      }
    });
    test('stops first with host ports', () => {
      const service = web(1, { ports: [{ target: 80, published: 80, mode: 'host' }] });
      expect(steps(service, [aTask(service, { nodeName: 'n1' })], drain)).toEqual([
        'retire web-1-1',
        'create 1',
      ]);
    });
    test('stops when the replacement fits nowhere', () => {
      const service = web(1);
      const pending = aTask(service, {
        run: 2,
        state: 'Pending',
        status: { conditions: [aCondition('Scheduled', 'False')] },
      });
      expect(steps(service, [aTask(service, { nodeName: 'n1' }), pending], drain)).toEqual([
        'retire web-1-1',
      ]);
    });
    test('moves a task whose placement no longer holds', () => {
      const service = web(1, { placement: { constraints: ['node.hostname == n2'] } });
      expect(steps(service, [aTask(service, { nodeName: 'n1' })])).toEqual(['create 1']);
      expect(steps(service, [aTask(service, { nodeName: 'n2' })])).toEqual([]);
    });
  });

  describe('in an update', () => {
    const service = web(3);
    const old = aRevision(aService({ image: 'web:0' }), { number: 1, replicas: 3 });
    const current = (replicas: number): Revision => aRevision(service, { number: 2, replicas });
    const oldTask = (slot: number): Task =>
      aTask(service, { slot, revision: old.metadata.name, nodeName: 'n1', name: `old-${slot}` });

    test('starts the new one beside the old in the lowest slot', () => {
      expect(steps(service, [1, 2, 3].map(oldTask), two, [old, current(1)])).toEqual(['create 1']);
    });
    test('stops the old one of the slot that the new one serves', () => {
      const fewer = { ...old, spec: { ...old.spec, replicas: 2 } };
      const tasks = [...[1, 2, 3].map(oldTask), aTask(service, { run: 2, nodeName: 'n2', name: 'new-1' })];
      expect(steps(service, tasks, two, [fewer, current(2)])).toEqual(['create 2', 'retire old-1']);
    });
    test('fills the slot that was freed where it stops first', () => {
      const fewer = { ...old, spec: { ...old.spec, replicas: 2 } };
      const stopped = { ...oldTask(3), status: { state: 'Shutdown' as const } };
      const tasks = [
        oldTask(1),
        oldTask(2),
        { ...stopped, spec: { ...stopped.spec, desiredState: 'Shutdown' as const } },
      ];
      expect(steps(service, tasks, two, [fewer, current(1)])).toEqual(['create 3']);
    });
  });

  describe('of a global service', () => {
    const service = aService({ mode: 'global', placement: { constraints: ['node.labels.off !exists'] } });
    const revision = (replicas: number): Revision[] => [aRevision(service, { replicas })];

    test('makes one on each node that fits, bound from the start', () => {
      const nodes = nodeMap(
        aNode('n1'),
        aNode('n2', { labels: { off: '' } }),
        aNode('n3', { availability: 'pause' }),
      );
      expect(steps(service, [], nodes, revision(1))).toEqual(['create n1']);
      const [step] = plan({ service, revisions: revision(1), tasks: [], nodes, now: testNow });
      expect(step?.task).toMatchObject({
        metadata: { finalizers: ['orc.dev/container'] },
        spec: { nodeName: 'n1' },
        status: { state: 'Assigned' },
      });
    });
    test('stays on a cordoned node, leaves a drained one, and waits for a lost one', () => {
      const task = aTask(service, { nodeName: 'n1' });
      expect(steps(service, [task], nodeMap(aNode('n1', { availability: 'pause' })), revision(1))).toEqual(
        [],
      );
      expect(steps(service, [task], nodeMap(aNode('n1', { availability: 'drain' })), revision(0))).toEqual([
        'retire web-n1-1',
      ]);
      expect(steps(service, [task], nodeMap(aNode('n1', { lost: true })), revision(0))).toEqual([]);
    });
    test('gives up no healthy task for that of a node that has just come back, before its count has followed', () => {
      const tasks = ['n1', 'n2', 'n3'].map((nodeName) => aTask(service, { nodeName }));
      const nodes = nodeMap(aNode('n1'), aNode('n2'), aNode('n3'));
      const retired = (justBack: ReadonlySet<string>): readonly string[] =>
        plan({ service, revisions: revision(2), tasks, nodes, justBack, now: testNow }).map(
          ({ kind }) => kind,
        );
      expect(retired(new Set())).toEqual(['RetireTask']);
      expect(retired(new Set(['n1']))).toEqual([]);
    });
  });
});
