import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { verdictOf } from './verdict.ts';
import { watchTime } from './watch-time.ts';

describe('a session', () => {
  const at = (heardMs: number, aliveMs: number | undefined): string =>
    verdictOf({ nowMs: 10_000, heardMs, aliveMs, heartbeatMs: 1_000 });

  test('is live until three heartbeats are missing', () => {
    expect(at(7_001, undefined)).toBe('live');
    expect(at(7_000, undefined)).toBe('dead');
  });

  test('is slow, not dead, while its machine gives signs of life', () => {
    expect(at(1_000, 7_001)).toBe('slow');
    expect(at(1_000, 7_000)).toBe('dead');
    expect(at(9_000, 1_000)).toBe('live');
  });
});

describe('the time of a server', () => {
  test('in which it stood still is nobody’s silence', async () => {
    const clock = new FakeClock(0);
    const seen: [number, number][] = [];
    const watch = watchTime(clock, 500, (nowMs, excusedMs) => seen.push([nowMs, excusedMs]));
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    clock.advance(500);
    await turn();
    clock.advance(900);
    await turn();
    const stood = clock.now();
    clock.now = () => stood + 60_000;
    clock.advance(500);
    await turn();
    expect(seen.map(([, excusedMs]) => excusedMs)).toEqual([0, 0, expect.any(Number)]);
    expect(seen[2]?.[1]).toBeGreaterThan(59_000);
    watch.close();
    clock.advance(5_000);
    await turn();
    expect(seen).toHaveLength(3);
  });
});
