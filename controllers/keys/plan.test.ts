import { describe, expect, test } from '@jest/globals';
import { withDefaults, type Cluster, type ClusterKeys, type Node } from '../../api-schemas/index.ts';
import { aNode, testNow, testNowMs } from '../runtime/testing.ts';
import { plan, type Plan } from './plan.ts';

const hourMs = 3_600_000;
const minuteMs = 60_000;

const clusterWith = (keys?: ClusterKeys, networks: Cluster['spec']['networks'] = {}): Cluster =>
  withDefaults<Cluster>({
    ...{ apiVersion: 'orc.dev/v1', kind: 'Cluster', metadata: { name: 'orc' }, spec: { networks } },
    ...(keys === undefined ? {} : { status: { keys } }),
  });
const begun = (more: Partial<ClusterKeys> = {}): ClusterKeys => ({
  ...{ epoch: 3, since: testNow, generation: 0 },
  ...more,
});
const nodeWith = (name: string, server: string, ...epochs: readonly number[]): Node =>
  aNode(name, {
    status: {
      session: { server, id: 'x', since: testNow },
      encryption: {
        method: 'wireguard',
        keys: epochs.map((epoch) => ({ epoch, publicKey: `${name}${epoch}` })),
      },
    },
  });
const at = (afterMs: number, cluster: Cluster, ...nodes: readonly Node[]): Plan =>
  plan({ cluster, isNeeded: true, nodes, nowMs: testNowMs + afterMs });
const iso = (afterMs: number): string => new Date(testNowMs + afterMs).toISOString();

describe('the keys of encrypted networks', () => {
  test('begin with the first encrypted network, and rest when there is none', () => {
    expect(at(0, clusterWith()).keys).toEqual({ epoch: 1, since: testNow, generation: 0 });
    const old = begun();
    expect(
      plan({ cluster: clusterWith(old), isNeeded: false, nodes: [], nowMs: testNowMs + 99 * hourMs }),
    ).toEqual({
      keys: old,
    });
  });

  test('are replaced every 12 hours, or as often as the cluster says', () => {
    const old = begun();
    expect(at(12 * hourMs - 1, clusterWith(old))).toEqual({ keys: old, wakeAtMs: testNowMs + 12 * hourMs });
    expect(at(12 * hourMs, clusterWith(old)).keys).toEqual(begun({ epoch: 4, since: iso(12 * hourMs) }));
    expect(at(20 * minuteMs, clusterWith(old, { keyRotation: '20m' })).keys?.epoch).toBe(4);
  });

  test('are replaced when it is asked for, once, and not twice within a minute', () => {
    const asked = { keyGeneration: 2 };
    const early = at(1_000, clusterWith(begun(), asked));
    expect([early.keys?.epoch, early.wakeAtMs]).toEqual([3, testNowMs + minuteMs]);
    const done = at(minuteMs, clusterWith(begun(), asked)).keys;
    expect(done).toEqual({ epoch: 4, since: iso(minuteMs), generation: 2 });
    expect(at(hourMs, clusterWith(done, asked)).keys).toEqual(done);
  });

  test('wait for connected nodes that use the key before, say for whom, and not for ever', () => {
    const nodes = [
      nodeWith('late', 's1', 2),
      nodeWith('gone', '', 2),
      nodeWith('there', 's1', 2, 3),
      nodeWith('idle', 's1'),
    ];
    const cluster = clusterWith(begun(), { keyGeneration: 1 });
    const held = at(2 * minuteMs, cluster, ...nodes);
    expect(held).toEqual({ keys: begun({ waitingFor: ['late'] }), wakeAtMs: testNowMs + 10 * minuteMs });
    const again = at(3 * minuteMs, clusterWith(held.keys, { keyGeneration: 1 }), ...nodes);
    expect(again.keys).toEqual(held.keys);
    expect(at(10 * minuteMs, cluster, ...nodes).keys).toEqual({
      epoch: 4,
      since: iso(10 * minuteMs),
      generation: 1,
    });
  });
});
