/** Rollout and replicas together, on a world in memory that is disturbed at random: the laws of both plans. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Node, Revision, Service, Task, TaskState } from '../api-schemas/index.ts';
import { plan as planReplicas } from './replicas/plan.ts';
import { plan as planRollout } from './rollout/plan.ts';
import { policyOf } from './runtime/policy.ts';
import { aCondition, aNode, aService, testNow } from './runtime/testing.ts';
import { isFinished, isLive, isOnLostNode, isRunning } from './runtime/tasks.ts';

class World {
  service: Service;
  readonly revisions = new Map<string, Revision>();
  readonly tasks = new Map<string, Task>();
  readonly nodes = new Map<string, Node>();
  readonly broken = new Set<string>();
  #uid = 0;

  constructor(order: 'start-first' | 'stop-first', parallelism: number) {
    this.service = aService({ replicas: 3, update: { order, parallelism } });
    for (const name of ['n1', 'n2', 'n3']) this.nodes.set(name, aNode(name));
  }

  view() {
    const { service, nodes } = this;
    return {
      service,
      nodes,
      revisions: [...this.revisions.values()],
      tasks: [...this.tasks.values()],
      now: testNow,
    };
  }

  rollout(): number {
    const steps = planRollout(this.view());
    for (const step of steps) {
      const { metadata, spec } = step.revision;
      if (step.kind === 'CreateRevision') {
        this.revisions.set(metadata.name, {
          ...step.revision,
          metadata: { ...metadata, uid: `r${this.#uid++}` },
        });
      } else if (step.kind === 'SetRevision') {
        const { replicas, number } = step;
        this.revisions.set(metadata.name, { ...step.revision, spec: { ...spec, replicas, number } });
      } else this.revisions.delete(metadata.name);
    }
    return steps.length;
  }

  replicas(): number {
    const steps = planReplicas(this.view());
    expect(planReplicas(this.view())).toEqual(steps);
    for (const { kind, task } of steps) {
      const { name } = task.metadata;
      if (kind === 'CreateTask') {
        expect(this.tasks.has(name)).toBe(false);
        this.tasks.set(name, { ...task, metadata: { ...task.metadata, uid: `t${this.#uid++}` } });
      } else if (kind === 'RetireTask') {
        this.tasks.set(name, { ...task, spec: { ...task.spec, desiredState: 'Shutdown' } });
      } else if (task.spec.nodeName === undefined || kind === 'ForgetTask') this.tasks.delete(name);
      else this.tasks.set(name, { ...task, metadata: { ...task.metadata, deletionTimestamp: testNow } });
    }
    return steps.length;
  }

  schedule(pick: number): void {
    const free = [...this.nodes.values()].filter(
      (node) => node.spec.availability !== 'drain' && !this.#lost(node),
    );
    for (const task of this.tasks.values()) {
      if (task.spec.nodeName !== undefined || !isLive(task)) continue;
      const node = free[pick % Math.max(1, free.length)];
      if (node === undefined) {
        const conditions = [aCondition('Scheduled', 'False')];
        this.tasks.set(task.metadata.name, { ...task, status: { state: 'Pending', conditions } });
      } else {
        const spec = { ...task.spec, nodeName: node.metadata.name };
        this.tasks.set(task.metadata.name, { ...task, spec, status: { state: 'Assigned' } });
      }
    }
  }

  /** One step of one task's container. */
  act(task: Task, doFail: boolean): void {
    const { name } = task.metadata;
    if (task.spec.nodeName === undefined || isOnLostNode(task, this.nodes)) return;
    if (task.metadata.deletionTimestamp !== undefined) return void this.tasks.delete(name);
    if (isFinished(task)) return;
    const to = (state: TaskState): void => {
      this.tasks.set(name, { ...task, status: { state, finishedAt: testNow } });
    };
    if (task.spec.desiredState === 'Shutdown') return to('Shutdown');
    if (doFail) return to('Failed');
    const image = this.revisions.get(task.spec.revision)?.spec.template.image ?? '';
    if (!this.broken.has(image)) to('Running');
  }

  set(spec: Partial<Service['spec']>): void {
    this.service = { ...this.service, spec: { ...this.service.spec, ...spec } };
  }

  setNode(name: string, wish: Parameters<typeof aNode>[1]): void {
    this.nodes.set(name, aNode(name, wish));
  }

  #lost = (node: Node): boolean =>
    node.status?.conditions?.some((c) => c.type === 'Lost' && c.status === 'True') ?? false;

  serving(): Set<string> {
    const ready = [...this.tasks.values()].filter(
      (task) => isLive(task) && isRunning(task) && !isOnLostNode(task, this.nodes),
    );
    return new Set(ready.map((task) => `${task.spec.revision}/${task.spec.slot ?? ''}`));
  }

  /** How many slots serve that their revision is to keep: what was scaled away may go at any time. */
  keptServing(): number {
    const revisions = [...this.serving()].map((slot) => slot.split('/')[0]);
    const kept = [...this.revisions.values()].map(({ metadata, spec }) =>
      Math.min(spec.replicas, revisions.filter((name) => name === metadata.name).length),
    );
    return kept.reduce((sum, count) => sum + count, 0);
  }
}

type Disturbance =
  | { readonly kind: 'rollout' | 'replicas' }
  | { readonly kind: 'schedule' | 'image'; readonly n: number }
  | { readonly kind: 'scale'; readonly replicas: number }
  | { readonly kind: 'act'; readonly n: number; readonly doFail: boolean }
  | { readonly kind: 'node'; readonly n: number; readonly to: 'active' | 'drain' | 'lost' };

const disturbance: fc.Arbitrary<Disturbance> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('rollout' as const, 'replicas' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('schedule' as const), n: fc.nat(5) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('act' as const),
      n: fc.nat(30),
      doFail: fc.boolean().map((b) => b),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('image' as const), n: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('scale' as const), replicas: fc.nat(5) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('node' as const),
      n: fc.integer({ min: 1, max: 3 }),
      to: fc.constantFrom('active' as const, 'drain' as const, 'lost' as const),
    }),
  },
);

function disturb(world: World, what: Disturbance): void {
  switch (what.kind) {
    case 'rollout':
      world.rollout();
      expect(world.rollout()).toBe(0);
      return;
    case 'replicas':
      checkReplicas(world);
      return;
    case 'schedule':
      return world.schedule(what.n);
    case 'act': {
      const task = [...world.tasks.values()][what.n % Math.max(1, world.tasks.size)];
      if (task !== undefined) world.act(task, what.doFail && what.n % 3 === 0);
      return;
    }
    case 'image':
      return world.set({ image: `web:${what.n}` });
    case 'scale':
      return world.set({ replicas: what.replicas });
    case 'node':
      return world.setNode(
        `n${what.n}`,
        what.to === 'lost' ? { lost: true } : what.to === 'drain' ? { availability: 'drain' } : {},
      );
  }
}

function checkReplicas(world: World): void {
  const before = world.keptServing();
  world.replicas();
  expect(world.replicas()).toBe(0);
  const live = [...world.tasks.values()].filter(isLive);
  const good = live
    .filter((task) => {
      const node = world.nodes.get(task.spec.nodeName ?? '');
      return node === undefined || (node.spec.availability !== 'drain' && !isOnLostNode(task, world.nodes));
    })
    .map((task) => `${task.spec.revision}/${task.spec.slot ?? ''}`);
  expect(new Set(good).size).toBe(good.length);

  const { replicas = 1, update } = world.service.spec;
  const isDraining = [...world.nodes.values()].some((node) => node.spec.availability === 'drain');
  if (update?.order === 'start-first' && !isDraining) {
    const wanted = [...world.revisions.values()].reduce((sum, revision) => sum + revision.spec.replicas, 0);
    expect(world.serving().size).toBeGreaterThanOrEqual(Math.min(before, replicas, wanted));
  }
}

/** All is well and everyone does their work: how the world ends. */
function settle(world: World): void {
  world.broken.clear();
  for (const name of ['n1', 'n2', 'n3']) world.setNode(name, {});
  for (let round = 0; round < 200; round++) {
    const steps = world.rollout() + world.replicas();
    world.schedule(round);
    const before = JSON.stringify([...world.tasks]);
    for (const task of [...world.tasks.values()]) world.act(task, false);
    if (steps === 0 && before === JSON.stringify([...world.tasks])) return;
  }
  throw new Error('it never settles');
}

describe('rollout and replicas together', () => {
  test.each(['start-first', 'stop-first'] as const)(
    'keep their laws and settle, whatever happens (%s)',
    (order) => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 2 }),
          fc.boolean(),
          fc.array(disturbance, { minLength: 10, maxLength: 80 }),
          (parallelism, isBroken, story) => {
            const world = new World(order, parallelism);
            if (isBroken) world.broken.add('web:2');
            for (const what of story) disturb(world, what);
            settle(world);
            const live = [...world.tasks.values()].filter(isLive);
            expect(live).toHaveLength(world.service.spec.replicas ?? 1);
            expect(new Set(live.map((task) => task.spec.slot)).size).toBe(live.length);
            for (const task of live) expect(task.spec.revision).toBe(policyOf(world.service).revision);
          },
        ),
        { numRuns: 300 },
      );
    },
  );
});
