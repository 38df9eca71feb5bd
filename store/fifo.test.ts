import { describe, expect, test } from '@jest/globals';
import { Fifo } from './fifo.ts';

const filled = (count: number): Fifo<number> => {
  const fifo = new Fifo<number>();
  for (let i = 0; i < count; i++) fifo.push(i);
  return fifo;
};

describe('the queue', () => {
  test('gives back in order', () => {
    const fifo = filled(5);
    fifo.shift();
    fifo.push(5);
    expect(fifo.peek()).toBe(1);
    expect(Array.from({ length: 6 }, () => fifo.shift())).toEqual([1, 2, 3, 4, 5, undefined]);
    expect(fifo.length).toBe(0);
  });

  test('lets go of what was taken, though it is never empty', () => {
    const fifo = filled(10);
    for (let i = 0; i < 10_000; i++) {
      fifo.push(i);
      fifo.shift();
      expect(fifo.held).toBeLessThanOrEqual(2 * fifo.length);
    }
    expect(fifo.length).toBe(10);
  });

  test('takes out from anywhere', () => {
    const fifo = filled(6);
    fifo.shift();
    expect(fifo.extract((n) => n % 2 === 0)).toEqual([2, 4]);
    expect(Array.from({ length: 3 }, () => fifo.shift())).toEqual([1, 3, 5]);
  });
});
