import { describe, expect, test } from '@jest/globals';
import type { Cluster, Lease, Node, Obj } from '../../api-schemas/index.ts';
import { FakeClock } from '../../kit/clock.ts';
import type { Cache } from '../../store/types.ts';
import { dialable } from './peers.ts';
import { countToMove, isOverloaded, keepSpread } from './spread.ts';

describe('the share of a server', () => {
  test.each([
    [[10, 10, 10], false],
    [[12, 9, 9], false],
    [[13, 9, 8], true],
    [[3, 0], false],
    [[6, 0], true],
    [[100], false],
    [[119, 91, 90], false],
    [[121, 90, 89], true],
  ])('%j: the first has clearly more: %s', (all, expected) => {
    expect(isOverloaded({ mine: all[0] ?? 0, all })).toBe(expected);
  });

  test('is reached by a few at a time', () => {
    expect(countToMove({ mine: 300, all: [300, 0, 0] })).toBe(10);
    expect(countToMove({ mine: 60, all: [60, 0, 0] })).toBe(3);
    expect(countToMove({ mine: 6, all: [6, 0] })).toBe(1);
    expect(countToMove({ mine: 3, all: [3, 3] })).toBe(0);
    expect(countToMove({ mine: 9, all: [9] })).toBe(0);
  });
});

describe('a server with too many sessions', () => {
  const server = (name: string): Lease =>
    ({ kind: 'Lease', metadata: { namespace: 'orc-system', name: `server-${name}` } }) as Lease;
  const cluster = {
    kind: 'Cluster',
    metadata: { name: 'orc' },
    status: {
      managers: {
        a: { url: 'https://a:1', since: '' },
        b: { url: 'https://b:1', since: '' },
        c: { url: 'https://c:1', since: '' },
        away: { url: 'https://d:1', since: '' },
      },
    },
  } as unknown as Cluster;
  const objects: Obj[] = [cluster, server('a'), server('b'), server('c')];
  const nodes = new Map<string, string>();
  const cache = {
    get: (kind: string, namespace: string, name: string) =>
      objects.find(
        (one) =>
          one.kind === kind && (one.metadata.namespace ?? '') === namespace && one.metadata.name === name,
      ),
    list: () =>
      [...nodes].map(([name, at]) => ({ metadata: { name }, status: { session: { server: at } } }) as Node),
  } as unknown as Cache;

  test('bears it for a minute, then asks agents to go where there are fewest, until it has its share', () => {
    nodes.clear();
    for (let i = 0; i < 12; i++) nodes.set(`n${i}`, i < 10 ? 'a' : 'b');
    const clock = new FakeClock();
    const asked: [string, readonly string[]][] = [];
    const spread = keepSpread({
      cache,
      serverName: 'a',
      clock,
      movable: () => [...nodes].filter(([, at]) => at === 'a').map(([name]) => name),
      ask(node, to) {
        asked.push([node, to]);
        nodes.set(node, to[0] === 'https://c:1' ? 'c' : 'b');
      },
      random: () => 0.5,
    });
    clock.advance(60_000);
    expect(asked).toEqual([]);
    clock.advance(5_000);
    expect(asked).toEqual([['n0', ['https://c:1']]]);
    clock.advance(60_000);
    const counts = ['a', 'b', 'c'].map((name) => [...nodes.values()].filter((at) => at === name).length);
    expect(counts).toEqual([4, 4, 4]);
    clock.advance(600_000);
    expect(asked).toHaveLength(6);
    spread.close();
  });
});

test('an address that says nothing is told to nobody', () => {
  expect(dialable(['https://0.0.0.0:6750', 'https://[::]:6750', 'https://10.0.0.5:6750', ''])).toEqual([
    'https://10.0.0.5:6750',
  ]);
});
