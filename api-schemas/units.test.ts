import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  age,
  formatAge,
  formatBytes,
  formatDuration,
  parseBytes,
  parseCpus,
  parseDuration,
} from './units.ts';

describe('durations', () => {
  test('are read as Go reads them', () => {
    expect(['10s', '1m30s', '1.5h', '250ms', '0', '10us'].map(parseDuration)).toEqual([
      10_000, 90_000, 5_400_000, 250, 0, 0.01,
    ]);
  });
  test('refuse what is not one', () => {
    for (const text of ['', '10', 's', '-1s', '1d', '1 s', '1m 30s', '1e3s', '9'.repeat(100) + 's'])
      expect(() => parseDuration(text)).toThrow(RangeError);
  });
  test('are read back as written, to the millisecond', () => {
    fc.assert(fc.property(fc.nat({ max: 1e12 }), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});

describe('quantities', () => {
  test('cores may be in thousandths', () => {
    expect(['500m', '1.5', '2', '0.001'].map(parseCpus)).toEqual([0.5, 1.5, 2, 0.001]);
    for (const text of ['', '-1', '1k', 'm', '1.']) expect(() => parseCpus(text)).toThrow(RangeError);
  });
  test('sizes are binary or decimal', () => {
    expect(['256Mi', '1.5Gi', '500M', '1k', '7'].map(parseBytes)).toEqual([
      2 ** 28,
      1.5 * 2 ** 30,
      5e8,
      1000,
      7,
    ]);
    for (const text of ['', '-1', '1m', '1g', '1MB', '99999999Pi'])
      expect(() => parseBytes(text)).toThrow(RangeError);
  });
  test('sizes are read back as written', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseBytes(formatBytes(bytes)) === bytes));
  });
});

describe('ages', () => {
  test('are as kubectl prints them', () => {
    const s = 1000;
    const [m, h, d] = [60 * s, 3600 * s, 86_400 * s];
    const cases: readonly (readonly [number, string])[] = [
      [0, '0s'],
      [119 * s, '119s'],
      [2 * m, '2m'],
      [5 * m + 30 * s, '5m30s'],
      [11 * m + 5 * s, '11m'],
      [3 * h + 5 * m, '3h5m'],
      [9 * h, '9h'],
      [2 * d + 4 * h, '2d4h'],
      [9 * d + 4 * h, '9d'],
      [400 * d, '400d'],
      [3 * 365 * d + 5 * d, '3y5d'],
      [-10 * s, '<invalid>'],
    ];
    for (const [ms, text] of cases) expect(formatAge(ms)).toBe(text);
    expect(age(undefined, 0)).toBe('<unknown>');
  });
});
