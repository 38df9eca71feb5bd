import { describe, expect, test } from '@jest/globals';
import { Overlap } from './overlap.ts';

const at = (ms: number, text: string) => ({ time: new Date(Date.UTC(2030, 0, 1) + ms).toISOString(), text });

describe('A followed log', () => {
  test('skips nothing within one stream, in whatever order the lines come', () => {
    const overlap = new Overlap();
    const lines = [at(5, 'out 1'), at(3, 'err 1'), at(6, 'out 2'), at(4, 'err 2'), at(6, 'out 2')];
    expect(lines.map((line) => overlap.isNew(line))).toEqual([true, true, true, true, true]);
  });
  test('that goes on after a break begins a little earlier, and repeats nothing', () => {
    const overlap = new Overlap();
    for (const line of [at(0, 'a'), at(5000, 'b'), at(4990, 'c')]) overlap.isNew(line);
    expect(overlap.resume()).toBe(at(4000, '').time);
    const again = [at(4990, 'c'), at(4995, 'late'), at(5000, 'b'), at(5001, 'd')];
    expect(again.filter((line) => overlap.isNew(line)).map(({ text }) => text)).toEqual(['late', 'd']);
  });
  test('does not show after a break what its tail had left out', () => {
    const overlap = new Overlap();
    overlap.isNew(at(5000, 'last'));
    expect(overlap.resume()).toBe(at(5000, '').time);
    expect(overlap.isNew(at(4999, 'before the tail'))).toBe(false);
  });
  test('that has shown nothing begins as it was asked to', () => {
    expect(new Overlap().resume()).toBeUndefined();
  });
});
