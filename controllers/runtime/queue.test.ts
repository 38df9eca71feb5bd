import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { Terminal, Waiting, type Outcome } from './outcome.ts';
import { Workqueue, type WorkqueueOptions } from './queue.ts';

/** A queue whose passes are started and ended by the test. */
function harness(more: Partial<WorkqueueOptions> = {}) {
  const clock = new FakeClock();
  const started: string[] = [];
  const ends: { key: string; resolve: (outcome?: Outcome) => void; reject: (error: Error) => void }[] = [];
  const deferred: (() => void)[] = [];
  const queue = new Workqueue({
    clock,
    concurrency: 2,
    reconcile: (key) =>
      new Promise((resolve, reject) => {
        started.push(key);
        ends.push({ key, resolve: (outcome) => resolve(outcome), reject });
      }),
    onError: () => undefined,
    random: () => 1,
    defer: (fn) => deferred.push(fn),
    ...more,
  });
  const turn = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) {
      for (const fn of deferred.splice(0)) fn();
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  const end = async (outcome?: Outcome | Error): Promise<void> => {
    const next = ends.shift();
    if (outcome instanceof Error) next?.reject(outcome);
    else next?.resolve(outcome);
    await turn();
  };
  return { clock, queue, started, turn, end };
}

describe('the work queue', () => {
  test('passes a key once however often it was added', async () => {
    const { queue, started, turn } = harness();
    for (let i = 0; i < 3; i++) queue.add('a');
    await turn();
    expect(started).toEqual(['a']);
  });

  test('never has two passes of a key, and passes it again when it was added meanwhile', async () => {
    const { queue, started, turn, end } = harness();
    queue.add('a');
    await turn();
    queue.add('a');
    queue.add('a');
    await turn();
    expect(started).toEqual(['a']);
    await end();
    expect(started).toEqual(['a', 'a']);
    await end();
    expect(started).toHaveLength(2);
  });

  test('lets a key cool down no longer than was said, also when the clock is set back', async () => {
    const time = new FakeClock();
    let offsetMs = 600_000;
    const clock = {
      now: () => time.now() + offsetMs,
      after: (ms: number, fn: () => void) => time.after(ms, fn),
    };
    const { queue, started, turn, end } = harness({ clock });
    queue.add('a');
    await turn();
    await end({ cooldownMs: 100 });
    offsetMs = 0;
    queue.add('a');
    time.advance(100);
    await turn();
    expect(started).toEqual(['a', 'a']);
    await end();
  });

  test('runs different keys at once, but no more than allowed', async () => {
    const { queue, started, turn, end } = harness();
    for (const key of ['a', 'b', 'c']) queue.add(key);
    await turn();
    expect(started).toEqual(['a', 'b']);
    await end();
    expect(started).toEqual(['a', 'b', 'c']);
  });

  test('repeats a failed pass later and later, and forgets the failures on success', async () => {
    const { clock, queue, started, turn, end } = harness({ baseMs: 10 });
    queue.add('a');
    await turn();
    for (const waitMs of [10, 20, 40]) {
      await end(new Error('no'));
      clock.advance(waitMs - 1);
      await turn();
      const before = started.length;
      clock.advance(1);
      await turn();
      expect(started).toHaveLength(before + 1);
    }
    await end();
    expect(queue.failuresOf('a')).toBe(0);
  });

  test('waits without counting a failure, and not at all for a person', async () => {
    const { clock, queue, started, turn, end } = harness();
    queue.add('a');
    await turn();
    await end(new Waiting('NotYet', 100));
    expect(queue.metrics.errors).toBe(0);
    clock.advance(100);
    await turn();
    expect(started).toHaveLength(2);
    await end(new Terminal('Broken'));
    clock.advance(1e9);
    await turn();
    expect(started).toHaveLength(2);
    queue.add('a');
    await turn();
    expect(started).toHaveLength(3);
  });

  test('takes changes of a large object together', async () => {
    const { clock, queue, started, turn, end } = harness();
    queue.add('a');
    await turn();
    queue.add('a');
    await end({ cooldownMs: 50 });
    queue.add('a');
    await turn();
    expect(started).toHaveLength(1);
    clock.advance(50);
    await turn();
    expect(started).toHaveLength(2);
  });

  test('ends after the pass that runs, and starts none', async () => {
    const { queue, started, turn, end } = harness();
    queue.add('a');
    await turn();
    queue.add('a');
    let closed = false;
    const closing = queue.close().then(() => (closed = true));
    queue.add('b');
    await turn();
    expect(closed).toBe(false);
    await end();
    await closing;
    expect(started).toEqual(['a']);
  });
});
