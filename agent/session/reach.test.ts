import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { reach } from './reach.ts';

/** Endpoints that answer, fail, or do neither until they are told to. */
function network() {
  const clock = new FakeClock();
  const opened: string[] = [];
  const dropped: string[] = [];
  const failed: string[] = [];
  const aborted: string[] = [];
  const doors = new Map<string, { answer: () => void; fail: () => void }>();
  const options = {
    clock,
    staggerMs: 500,
    open: (endpoint: string, signal: AbortSignal) =>
      new Promise<string>((resolve, reject) => {
        opened.push(endpoint);
        signal.addEventListener('abort', () => aborted.push(endpoint));
        doors.set(endpoint, {
          answer: () => resolve(`to ${endpoint}`),
          fail: () => reject(new Error('refused')),
        });
      }),
    drop: (late: string) => void dropped.push(late),
    onFailure: (endpoint: string) => void failed.push(endpoint),
  };
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, opened, dropped, failed, aborted, options, settle, at: (name: string) => doors.get(name) };
}

describe('of several servers', () => {
  test('the next is tried at once when one refuses', async () => {
    const { options, at, opened, failed, settle } = network();
    const reached = reach(['a', 'b', 'c'], options);
    at('a')?.fail();
    await settle();
    expect(opened).toEqual(['a', 'b']);
    at('b')?.answer();
    expect(await reached).toEqual({ endpoint: 'b', value: 'to b', left: ['c'] });
    expect(failed).toEqual(['a']);
  });

  test('the next is tried beside one that is silent, which is let go of when the other answers', async () => {
    const { options, clock, at, opened, aborted, dropped, settle } = network();
    const reached = reach(['a', 'b', 'c'], options);
    clock.advance(499);
    expect(opened).toEqual(['a']);
    clock.advance(1);
    expect(opened).toEqual(['a', 'b']);
    at('b')?.answer();
    expect((await reached)?.endpoint).toBe('b');
    expect(aborted).toEqual(['a']);
    at('a')?.answer();
    await settle();
    expect(dropped).toEqual(['to a']);
    clock.advance(10_000);
    expect(opened).toEqual(['a', 'b']);
  });

  test('none is reached when all fail', async () => {
    const { options, at, failed, settle } = network();
    const reached = reach(['a', 'b'], options);
    at('a')?.fail();
    await settle();
    at('b')?.fail();
    expect(await reached).toBeUndefined();
    expect(failed).toEqual(['a', 'b']);
    expect(await reach([], options)).toBeUndefined();
  });
});
