import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Node, Service, ServiceSpec, Task } from '../../api-schemas/index.ts';
import { aNode, aRevision, aService, aTask, testNow, testNowMs } from '../runtime/testing.ts';
import { portsClash } from '../../api-schemas/index.ts';
import { plan, type Observed, type Step } from './plan.ts';

interface Case {
  readonly spec?: Partial<ServiceSpec>;
  readonly nodes: readonly Node[];
  readonly pending: number;
  /** Tasks that exist, beside the pending ones. */
  readonly tasks?: (service: Service) => readonly Task[];
}

function observed({ spec = {}, nodes, pending, tasks = () => [] }: Case): Observed {
  const service = aService(spec);
  const others = tasks(service);
  const waiting = Array.from({ length: pending }, (_, i) =>
    aTask(service, { slot: i + 1, state: 'New', name: `new-${i + 1}` }),
  );
  return {
    pending: waiting,
    tasks: [...others, ...waiting],
    nodes,
    revisionOf: () => aRevision(service),
    serviceOf: () => service,
    siblingsOf: () => others,
    nowMs: testNowMs,
  };
}
const say = (step: Step): string => (step.kind === 'BindTask' ? step.nodeName : step.message);
const place = (input: Case): readonly string[] => plan(observed(input)).map(say);
const nodes = (...names: readonly string[]): Node[] => names.map((name) => aNode(name));
const on = (service: Service, nodeName: string, count: number): Task[] =>
  Array.from({ length: count }, (_, i) =>
    aTask(service, { nodeName, slot: 50 + i, name: `${nodeName}-${i}` }),
  );

describe('the scheduler', () => {
  test('spreads a service over the nodes', () => {
    expect(place({ nodes: nodes('a', 'b', 'c'), pending: 5 })).toEqual(['a', 'b', 'c', 'a', 'b']);
  });

  test('keeps away from taints that are not tolerated, and from disliked nodes while it can', () => {
    const gpu = (effect: 'NoSchedule' | 'PreferNoSchedule' | 'NoExecute') =>
      aNode('b', { taints: [{ key: 'gpu', value: 'yes', effect }] });
    const [a] = nodes('a');
    const all = (effect: Parameters<typeof gpu>[0]) => [...(a === undefined ? [] : [a]), gpu(effect)];
    expect(place({ nodes: all('NoSchedule'), pending: 2 })).toEqual(['a', 'a']);
    expect(place({ nodes: all('PreferNoSchedule'), pending: 2 })).toEqual(['a', 'a']);
    expect(place({ nodes: [gpu('PreferNoSchedule')], pending: 1 })).toEqual(['b']);
    expect(place({ nodes: [gpu('NoExecute')], pending: 1 })).toEqual([
      'no node fits: b: taint gpu=yes:NoExecute is not tolerated',
    ]);
    const tolerating = (toleration: object) =>
      place({ spec: { placement: { tolerations: [toleration] } }, nodes: all('NoSchedule'), pending: 2 });
    expect(tolerating({ key: 'gpu', value: 'yes' })).toEqual(['a', 'b']);
    expect(tolerating({ key: 'gpu', operator: 'Exists' })).toEqual(['a', 'b']);
    expect(tolerating({ operator: 'Exists', effect: 'NoSchedule' })).toEqual(['a', 'b']);
    expect(tolerating({ key: 'gpu', value: 'no' })).toEqual(['a', 'a']);
    expect(tolerating({ key: 'gpu', operator: 'Exists', effect: 'NoExecute' })).toEqual(['a', 'a']);
  });

  test('fills up where the service has fewest, then where there are fewest at all', () => {
    const other = aService({}, { name: 'other' });
    const tasks = (service: Service) => [...on(service, 'a', 2), ...on(other, 'b', 3)];
    expect(place({ nodes: nodes('a', 'b', 'c'), pending: 3, tasks })).toEqual(['c', 'b', 'c']);
  });

  test('spreads over the values of a preference before the nodes', () => {
    const zones = [
      aNode('a', { labels: { zone: 'x' } }),
      aNode('b', { labels: { zone: 'x' } }),
      aNode('c', { labels: { zone: 'y' } }),
    ];
    const spec = { placement: { preferences: [{ spread: 'node.labels.zone' }] } };
    expect(place({ spec, nodes: zones, pending: 4 })).toEqual(['a', 'c', 'b', 'c']);
  });

  test('says for each node why it was refused', () => {
    const spec: Partial<ServiceSpec> = {
      resources: { reservations: { memory: '6Gi' } },
      placement: { constraints: ['node.role == worker'], platforms: ['linux/amd64'] },
    };
    const all = [
      aNode('cordoned', { availability: 'pause' }),
      aNode('down', { ready: false }),
      aNode('full'),
      aNode('arm', { status: { ...aNode('x').status, platform: { os: 'linux', arch: 'arm64' } } }),
      aNode('boss', { status: { ...aNode('x').status, role: 'manager' } }),
    ];
    const tasks = (service: Service) => on(service, 'full', 1);
    expect(place({ spec, nodes: all, pending: 1, tasks })).toEqual([
      'no node fits: arm: platform is linux/arm64, not linux/amd64; ' +
        'boss: constraint `node.role == worker` is not met; cordoned: node is cordoned; ' +
        'down: node is not ready (Ready); full: needs 6144Mi of memory, 2048Mi free',
    ]);
  });

  test('counts equal reasons when there are many nodes', () => {
    const many = Array.from({ length: 7 }, (_, i) =>
      aNode(`n${i}`, { availability: i < 4 ? 'drain' : 'pause' }),
    );
    expect(place({ nodes: many, pending: 1 })).toEqual([
      'no node fits: 4 nodes: node is draining; 3 nodes: node is cordoned',
    ]);
    expect(place({ nodes: [], pending: 1 })).toEqual(['no node fits: there is no node']);
  });

  test('keeps host ports apart, and names who holds one', () => {
    const spec: Partial<ServiceSpec> = { ports: [{ target: 80, published: 80, mode: 'host' }] };
    expect(place({ spec, nodes: nodes('a', 'b'), pending: 3 })).toEqual([
      'a',
      'b',
      'no node fits: a: host port 80/tcp is held by task default/new-1; b: host port 80/tcp is held by task default/new-2',
    ]);
  });

  test('gives a node no more replicas than allowed', () => {
    const spec = { placement: { maxReplicasPerNode: 1 } };
    expect(place({ spec, nodes: nodes('a'), pending: 2 })).toEqual([
      'a',
      'no node fits: a: has 1 of the service already (maxReplicasPerNode)',
    ]);
  });

  test('avoids a node where the service keeps failing', () => {
    const tasks = (service: Service) =>
      [4].map((restarts) =>
        aTask(service, { nodeName: 'a', state: 'Failed', restarts, status: { finishedAt: testNow } }),
      );
    expect(place({ nodes: nodes('a', 'b'), pending: 2, tasks })).toEqual(['b', 'b']);
  });

  test('never gives a node more than it has, and is the same each time', () => {
    const spec = fc.record({
      cpus: fc.constantFrom('0', '500m', '1', '3'),
      published: fc.constantFrom(0, 80),
      maxReplicasPerNode: fc.nat(3),
    });
    fc.assert(
      fc.property(
        spec,
        fc.nat(12),
        fc.nat(6),
        fc.array(fc.nat(5), { maxLength: 8 }),
        (s, pending, count, held) => {
          const input: Case = {
            spec: {
              resources: { reservations: { cpus: s.cpus } },
              placement: { maxReplicasPerNode: s.maxReplicasPerNode },
              ports: [{ target: 80, published: s.published, mode: 'host' }],
            },
            nodes: Array.from({ length: count }, (_, i) => aNode(`n${i}`)),
            pending,
            tasks: (service) =>
              held.map((n, i) => aTask(service, { nodeName: `n${n}`, slot: 40 + i, name: `h${i}` })),
          };
          const steps = plan(observed(input));
          expect(plan(observed(input))).toEqual(steps);
          expect(steps).toHaveLength(pending);
          const cpus = s.cpus === '500m' ? 0.5 : Number(s.cpus);
          for (let i = 0; i < count; i++) {
            const had = held.filter((n) => n === i).length;
            const given = steps.filter(
              (step) => step.kind === 'BindTask' && step.nodeName === `n${i}`,
            ).length;
            if (given === 0) continue;
            expect((had + given) * cpus).toBeLessThanOrEqual(4);
            if (s.maxReplicasPerNode > 0) expect(had + given).toBeLessThanOrEqual(s.maxReplicasPerNode);
            if (s.published > 0) expect(had + given).toBeLessThanOrEqual(1);
          }
        },
      ),
    );
    expect(portsClash({ target: 1, published: 80 }, { target: 2, published: 80, hostIP: '10.0.0.1' })).toBe(
      true,
    );
  });

  test('spreads 10,000 tasks evenly over 500 nodes', () => {
    const input = observed({
      spec: {
        resources: { reservations: { memory: '1Mi' } },
        placement: { constraints: ['node.role == worker'], preferences: [{ spread: 'node.labels.zone' }] },
      },
      nodes: Array.from({ length: 500 }, (_, i) => aNode(`n${i}`, { labels: { zone: `z${i % 5}` } })),
      pending: 10_000,
    });
    const steps = plan(input);
    const counts = new Map<string, number>();
    for (const step of steps) counts.set(say(step), (counts.get(say(step)) ?? 0) + 1);
    expect([...new Set(counts.values())]).toEqual([20]);
  });
});
