import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startControllers, type Controllers } from '../../controllers/index.ts';
import { silentLogger } from '../../kit/log.ts';
import type { Service, Task } from '../../api-schemas/index.ts';
import { openTestRegistry, type TestRegistry } from '../../store/testing.ts';
import { fakeAgents, type FakeAgents } from './controllers-fake-agent.ts';

const slots = 50;
const taskHistoryLimit = 2;
const restarts = 5;

describe('Fifty tasks that crash as soon as they run', () => {
  let store: TestRegistry;
  let controllers: Controllers;
  let agents: FakeAgents;
  let lease: { close(): Promise<void> };
  beforeEach(async () => {
    store = await openTestRegistry();
    agents = fakeAgents(store.registry);
    const held = store.holdLease('server-a', { identity: 'a' });
    await held.ready();
    lease = held;
    controllers = startControllers({ store, logger: silentLogger, identity: 'a' });
  });
  afterEach(async () => {
    await controllers.close();
    await agents.close();
    await lease.close();
    await store.close();
  });

  const kept = (): readonly Task[] =>
    store.cache.list('Task').filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const mostInASlot = (tasks: readonly Task[]): number => {
    const counts = new Map<number | undefined, number>();
    for (const { spec } of tasks) counts.set(spec.slot, (counts.get(spec.slot) ?? 0) + 1);
    return Math.max(0, ...counts.values());
  };

  test('wait longer each time, and leave no more than their history and an event of each kind', async () => {
    await agents.addNode('n1');
    /** How long each task had to wait, by its number of restarts. */
    const waits = new Map<number, Set<number>>();
    const failing: Promise<void>[] = [];
    let most = 0;
    const note = ({ spec, status }: Task): void => {
      const { restarts: count = 0, notBefore } = spec;
      const since = Date.parse(status?.since ?? '');
      const wait = notBefore === undefined ? 0 : Date.parse(notBefore) - since;
      waits.set(count, (waits.get(count) ?? new Set()).add(wait));
    };
    const hasCrashedEnough = (): boolean =>
      new Set(kept().filter(({ spec }) => (spec.restarts ?? 0) >= restarts).map(({ spec }) => spec.slot)).size === slots; // prettier-ignore
    const isTrimmed = (): boolean => kept().length <= slots * (1 + taskHistoryLimit);
    const crashed = new Set<string>();
    const done = new Promise<void>((resolve) => {
      store.cache.watch('Task', undefined, {
        onReset: () => undefined,
        onChanges(changes) {
          for (const { type, object } of changes) {
            const task = object as Task;
            if (type === 'ADDED') note(task);
            const { uid = '' } = task.metadata;
            const isUp = task.status?.state === 'Running' && (task.spec.restarts ?? 0) < restarts;
            if (!isUp || crashed.has(uid)) continue;
            crashed.add(uid);
            failing.push(agents.fail(task));
          }
          most = Math.max(most, mostInASlot(kept()));
          if (hasCrashedEnough() && isTrimmed()) resolve();
        },
      });
    });
    await store.registry.create<Service>({
      apiVersion: 'orc.dev/v1',
      kind: 'Service',
      metadata: { name: 'crashing', namespace: 'default' },
      spec: {
        image: 'a',
        replicas: slots,
        taskHistoryLimit,
        restart: { delay: '10ms', maxDelay: '40ms' },
      },
    });
    await done;
    await Promise.all(failing);

    expect([...waits].sort(([a], [b]) => a - b).map(([count, of]) => [count, [...of]])).toEqual([
      [0, [0]],
      [1, [0]],
      [2, [10]],
      [3, [20]],
      [4, [40]],
      [5, [40]],
    ]);
    // One more for the moment between a replacement and the removal of the oldest.
    expect(most).toBeLessThanOrEqual(2 + taskHistoryLimit);
    expect(mostInASlot(kept())).toBe(1 + taskHistoryLimit);
    // Each slot says that it was started again, and that it waits: each is one event, however often it happens.
    const restarting = store.cache.list('Event').filter(({ reason }) => reason === 'Restarting');
    expect(restarting.length).toBeGreaterThan(0);
    expect(restarting.length).toBeLessThanOrEqual(2 * slots);
  }, 60_000);
});
