import { describe, expect, test } from '@jest/globals';
import { Loads } from './loads.ts';

const never = new AbortController().signal;
/** Whether it has answered so far, and what. */
const answerOf = async (waiting: Promise<boolean>): Promise<boolean | undefined> =>
  Promise.race([waiting, new Promise<undefined>((resolve) => setImmediate(() => resolve(undefined)))]);

describe('what a node has loaded', () => {
  test('is all, when it was sent nothing or says so', async () => {
    const loads = new Loads();
    expect(await answerOf(loads.all(true, never))).toBe(true);
    loads.sent(3);
    const waiting = loads.all(true, never);
    loads.loaded(2);
    expect(await answerOf(waiting)).toBeUndefined();
    loads.loaded(3);
    expect(await answerOf(waiting)).toBe(true);
  });

  test('counts from when all was sent, and later frames do not hold it up', async () => {
    const loads = new Loads();
    const waiting = loads.all(false, never);
    loads.sent(1);
    loads.loaded(1);
    expect(await answerOf(waiting)).toBeUndefined();
    loads.sent(2);
    loads.allSent();
    loads.sent(3);
    loads.allSent();
    loads.loaded(2);
    expect(await answerOf(waiting)).toBe(true);
    expect(await answerOf(loads.all(true, never))).toBeUndefined();
  });

  test('is no more than it was sent, whatever it says', async () => {
    const loads = new Loads();
    loads.loaded(99);
    loads.sent(1);
    expect(await answerOf(loads.all(true, never))).toBeUndefined();
  });

  test('is not waited for longer than asked', async () => {
    const loads = new Loads();
    loads.sent(1);
    const time = new AbortController();
    const waiting = loads.all(true, time.signal);
    time.abort();
    expect(await answerOf(waiting)).toBe(false);
    expect(await answerOf(loads.all(true, time.signal))).toBe(false);
    const last = loads.all(true, never);
    loads.close();
    expect(await answerOf(last)).toBe(false);
  });
});
