import { describe, expect, test } from '@jest/globals';
import { dropCondition, setCondition } from './conditions.ts';

const ready = { type: 'Ready', status: 'False' as const, reason: 'Starting', message: '0 of 1' };

describe('conditions', () => {
  test('keep the transition time while the status stays', () => {
    const first = setCondition(undefined, ready, 't1');
    const second = setCondition(first, { ...ready, message: 'still 0 of 1' }, 't2');
    expect(second).toEqual([{ ...ready, message: 'still 0 of 1', lastTransitionTime: 't1' }]);
    const third = setCondition(second, { ...ready, status: 'True' }, 't3');
    expect(third[0]?.lastTransitionTime).toBe('t3');
  });

  test('are the same array when nothing changes', () => {
    const first = setCondition([], ready, 't1');
    expect(setCondition(first, ready, 't2')).toBe(first);
    expect(dropCondition(first, 'Other')).toBe(first);
  });

  test('of other types stay', () => {
    const both = setCondition(setCondition([], ready, 't1'), { ...ready, type: 'Other' }, 't2');
    expect(dropCondition(both, 'Ready').map((c) => c.type)).toEqual(['Other']);
  });
});
