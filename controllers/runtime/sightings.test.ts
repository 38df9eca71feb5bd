import { describe, expect, test } from '@jest/globals';
import type { Node } from '../../api-schemas/index.ts';
import type { Change } from '../../store/types.ts';
import { findCondition } from './conditions.ts';
import { Sightings } from './sightings.ts';
import { aCondition, aNode, testNowMs } from './testing.ts';

const iso = (ms: number): string => new Date(ms).toISOString();
const gone = (atMs: number): Node =>
  aNode('n1', {
    status: { conditions: [aCondition('Connected', 'False', { lastTransitionTime: iso(atMs) })] },
  });
const modified = (object: Node): Change => ({ type: 'MODIFIED', object, previous: undefined, revision: 1 });
const minutes = 60_000;

describe('sightings of conditions', () => {
  const since = (sightings: Sightings, node: Node): number =>
    sightings.since(node, findCondition(node.status?.conditions, 'Connected')) - testNowMs;

  test.each([10, -10])('count what a clock that is %i minutes off wrote from when it was seen', (off) => {
    const sightings = new Sightings();
    const node = gone(testNowMs + off * minutes);
    sightings.onChange(modified(node), testNowMs);
    expect(since(sightings, node)).toBe(0);
    const later = { ...node, spec: { availability: 'drain' as const } };
    sightings.onChange(modified(later), testNowMs + minutes);
    expect(since(sightings, later)).toBe(0);
  });

  test('take what a clock like ours wrote of some seconds before as it is', () => {
    const sightings = new Sightings();
    const node = gone(testNowMs - 6_000);
    sightings.onChange(modified(node), testNowMs);
    expect(since(sightings, node)).toBe(-6_000);
  });

  test('take what was so before, or is of another moment than was seen, as it was written', () => {
    const sightings = new Sightings();
    const node = gone(testNowMs - 60 * minutes);
    expect(since(sightings, node)).toBe(-60 * minutes);
    sightings.onChange(modified(gone(testNowMs)), testNowMs);
    expect(since(sightings, node)).toBe(-60 * minutes);
    expect(sightings.since(node, undefined)).toBeNaN();
  });

  test('forget a node that is gone', () => {
    const sightings = new Sightings();
    const node = gone(testNowMs + 10 * minutes);
    sightings.onChange(modified(node), testNowMs);
    sightings.onChange({ ...modified(node), type: 'DELETED' }, testNowMs);
    expect(since(sightings, node)).toBe(10 * minutes);
  });
});
