import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { aNode, aRevision, aService, aTask, nodeMap } from '../runtime/testing.ts';
import { policyOf, type Policy } from '../runtime/policy.ts';
import { divide, plan, type Share, type Step } from './plan.ts';

const share = (wanted: number, ready = wanted, unfinished = wanted, number = 1): Share => ({
  wanted,
  ready,
  unfinished,
  number,
});
const startFirst = { order: 'start-first', parallelism: 1 } as const;
const stopFirst = { order: 'stop-first', parallelism: 1 } as const;
const nothing = share(0);
const nodes = nodeMap(aNode('n1'));
const say = (step: Step): string => {
  switch (step.kind) {
    case 'CreateRevision':
      return `create ${step.revision.spec.number}: ${step.revision.spec.replicas}`;
    case 'SetRevision':
      return `set ${step.revision.metadata.name}: ${step.replicas} as ${step.number}`;
    case 'DeleteRevision':
      return `delete ${step.revision.metadata.name}`;
  }
};

describe('rollout counts', () => {
  type Case = readonly [
    string,
    Pick<Policy, 'order' | 'parallelism'>,
    number,
    Share,
    readonly Share[],
    number,
    readonly number[],
  ];
  const cases: readonly Case[] = [
    ['a first revision has all at once', startFirst, 3, nothing, [], 3, []],
    ['an update begins with one more', startFirst, 3, nothing, [share(3)], 1, [3]],
    ['an unready new one takes nothing away', startFirst, 3, share(1, 0), [share(3)], 1, [3]],
    ['a ready new one stands in for an old one', startFirst, 3, share(1, 1), [share(3)], 2, [2]],
    ['the last old one goes when all new ones are ready', startFirst, 3, share(3, 3), [share(1)], 3, [0]],
    ['a new one that crashes brings no old one back', startFirst, 3, share(3, 1), [share(1)], 3, [1]],
    ['a scale-up in the middle falls to what works', startFirst, 6, share(2, 1), [share(2)], 2, [4]],
    ['a scale-down in the middle', startFirst, 1, share(2, 1), [share(2)], 1, [0]],
    ['all at once with parallelism 0', { ...startFirst, parallelism: 0 }, 3, nothing, [share(3)], 3, [3]],
    [
      'unready slots of old revisions go first',
      startFirst,
      3,
      nothing,
      [share(2, 2, 2, 1), share(2, 1, 2, 2)],
      1,
      [2, 1],
    ],
    ['stop-first stops one', stopFirst, 3, nothing, [share(3)], 0, [2]],
    ['and starts one when it has stopped', stopFirst, 3, nothing, [share(2, 2, 2)], 1, [2]],
    ['but not while it stops', stopFirst, 3, nothing, [share(2, 2, 3)], 0, [2]],
    ['and goes on when that is ready', stopFirst, 3, share(1, 1), [share(2, 2, 2)], 1, [1]],
    ['to the end', stopFirst, 3, share(2, 2), [share(0, 0, 0)], 3, [0]],
  ];
  test.each(cases)('%s', (_, policy, desired, current, others, expected, left) => {
    expect(divide(policy, desired, current, others)).toEqual({ current: expected, others: left });
  });

  test('stay within their limits whatever the state', () => {
    const counts = fc.record({
      wanted: fc.nat(20),
      readyShare: fc.double({ min: 0, max: 1, noNaN: true }),
      number: fc.integer({ min: 1, max: 9 }),
    });
    const shares = counts.map(({ wanted, readyShare, number }) =>
      share(wanted, Math.floor(wanted * readyShare), wanted, number),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('start-first', 'stop-first'),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(20),
        shares,
        fc.array(shares, { maxLength: 3 }),
        (order, parallelism, desired, current, others) => {
          const result = divide({ order, parallelism }, desired, current, others);
          expect(divide({ order, parallelism }, desired, current, others)).toEqual(result);
          const old = result.others.reduce((a, b) => a + b, 0);
          const oldBefore = others.reduce((a, b) => a + b.wanted, 0);
          expect(result.current).toBeLessThanOrEqual(desired);
          for (const count of [...result.others, result.current]) expect(count).toBeGreaterThanOrEqual(0);
          // Nothing that serves is taken away but for a new one that serves, or within the parallelism.
          const floor = Math.min(desired, oldBefore + Math.min(current.ready, result.current));
          const given = order === 'start-first' ? 0 : parallelism;
          expect(old + Math.min(current.ready, result.current)).toBeGreaterThanOrEqual(floor - given);
          // No more is started than the surge allows beyond what there is.
          if (old > 0 && order === 'start-first') {
            expect(result.current).toBeLessThanOrEqual(Math.max(current.wanted, current.ready + parallelism));
          }
        },
      ),
    );
  });
});

describe('rollout plan', () => {
  const service = aService({ replicas: 2 });
  const old = aRevision(aService({ image: 'web:0', replicas: 2 }));

  test('makes the first revision with all replicas', () => {
    const steps = plan({ service, revisions: [], tasks: [], nodes });
    expect(steps.map(say)).toEqual(['create 1: 2']);
    expect(steps[0]).toMatchObject({ revision: { metadata: { name: policyOf(service).revision } } });
  });

  test('says nothing when all is as it should be', () => {
    expect(plan({ service, revisions: [aRevision(service)], tasks: [], nodes })).toEqual([]);
  });

  test('makes no new revision for scale, labels, placement, restart and update policy', () => {
    const same = aService({
      replicas: 2,
      placement: { constraints: ['node.role == worker'] },
      restart: { condition: 'none' },
      update: { parallelism: 2 },
    });
    expect(policyOf(same).revision).toBe(policyOf(service).revision);
    expect(policyOf(aService({ env: [{ name: 'A', value: '1' }] })).revision).not.toBe(
      policyOf(service).revision,
    );
  });

  test('gives an old revision that is wanted again a new number', () => {
    const revisions = [
      aRevision(service, { number: 1, replicas: 0 }),
      { ...old, spec: { ...old.spec, number: 2 } },
    ];
    const tasks = [1, 2].map((slot) => aTask(service, { slot, revision: old.metadata.name, nodeName: 'n1' }));
    expect(plan({ service, revisions, tasks, nodes }).map(say)).toEqual([
      `set ${policyOf(service).revision}: 1 as 3`,
    ]);
  });

  test('removes revisions past the limit, but none that a task still names', () => {
    const limited = aService({ replicas: 2, revisionHistoryLimit: 1 });
    const revisions = [1, 2, 3].map((number) =>
      aRevision(limited, { name: `web-old${number}`, number, replicas: 0 }),
    );
    const current = aRevision(limited, { number: 4 });
    const tasks = [aTask(limited, { state: 'Failed', revision: 'web-old1', nodeName: 'n1' })];
    expect(plan({ service: limited, revisions: [...revisions, current], tasks, nodes }).map(say)).toEqual([
      'delete web-old2',
    ]);
  });

  test('counts no task on a lost node as ready', () => {
    const revisions = [old, aRevision(service, { number: 2, replicas: 1 })];
    const tasks = [
      aTask(service, { slot: 1, nodeName: 'n2', name: 'new' }),
      ...[1, 2].map((slot) => aTask(service, { slot, revision: old.metadata.name, nodeName: 'n1' })),
    ];
    const lost = nodeMap(aNode('n1'), aNode('n2', { lost: true }));
    expect(plan({ service, revisions, tasks, nodes: lost })).toEqual([]);
    const here = nodeMap(aNode('n1'), aNode('n2'));
    expect(plan({ service, revisions, tasks, nodes: here }).map(say)).toEqual([
      `set ${policyOf(service).revision}: 2 as 2`,
      `set ${old.metadata.name}: 1 as 1`,
    ]);
  });
});
