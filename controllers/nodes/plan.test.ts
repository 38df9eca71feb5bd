import { describe, expect, test } from '@jest/globals';
import type { Node } from '../../api-schemas/index.ts';
import { findCondition } from '../runtime/conditions.ts';
import { aNode } from '../runtime/testing.ts';
import { asWritten } from '../runtime/sightings.ts';
import { plan } from './plan.ts';

const timing = {
  sessionGraceMs: 3_000,
  lostAfterMs: 5_000,
  engineLostAfterMs: 30_000,
  serverLeaseMs: 3_000,
  eventTtlMs: 0,
};
const others = { total: 1, out: 1, lastLostAtMs: 0 };
const zero = Date.parse('2030-01-01T00:00:00Z');

/** Follows one node: each `at` makes a pass and keeps what it says. */
function follow(node: Node, watchingSinceMs = -3600_000) {
  let fleet = others;
  let current: Node = { ...node, status: { ...node.status, conditions: [] } };
  return {
    set(status: NonNullable<Node['status']>): void {
      current = { ...current, status: { ...current.status, ...status } };
    },
    fleet(next: typeof others): void {
      fleet = next;
    },
    at(seconds: number, isServerAlive = true, since = watchingSinceMs) {
      const nowMs = zero + seconds * 1000;
      const result = plan({
        node: current,
        isServerAlive,
        nowMs,
        watchingSinceMs: zero + since,
        timing,
        since: asWritten,
        fleet: () => fleet,
      });
      current = { ...current, status: { ...current.status, conditions: result.conditions } };
      const again = plan({
        node: current,
        isServerAlive,
        nowMs,
        watchingSinceMs: zero + since,
        timing,
        since: asWritten,
        fleet: () => fleet,
      });
      expect(again.conditions).toBe(result.conditions);
      const say = (type: string): string => {
        const c = findCondition(result.conditions, type);
        return `${c?.status ?? 'none'} ${c?.reason ?? ''}`;
      };
      return {
        ready: say('Ready'),
        lost: say('Lost'),
        events: result.events.map((event) => event.reason),
        wakeInS: result.wakeAtMs === undefined ? undefined : (result.wakeAtMs - nowMs) / 1000,
      };
    },
  };
}
const at = (seconds: number): string => new Date(zero + seconds * 1000).toISOString();
const gone = { session: { server: '', id: '', since: '' } };
const back = { session: { server: 'a', id: 's', since: '' } };

describe('the nodes plan', () => {
  test('makes a node with a session and an engine ready', () => {
    expect(follow(aNode('n')).at(0)).toMatchObject({
      ready: 'True AgentReady',
      lost: 'False InReach',
      events: ['NodeReady'],
    });
  });

  test.each([600, -600])('a server whose clock is %i s ahead makes nothing lost sooner or later', (ahead) => {
    const node = follow(aNode('n'));
    node.at(0);
    node.set({ session: { server: '', id: '', since: at(ahead + 3), lastSeen: at(ahead) } });
    expect(node.at(3)).toMatchObject({ ready: 'Unknown HeartbeatLost', lost: 'False InReach', wakeInS: 2 });
    expect(node.at(4.9).lost).toBe('False InReach');
    expect(node.at(5).lost).toBe('True HeartbeatLost');
  });

  test('counts from the last sign of life: 3 s until it is not ready, 5 s until it is given up', () => {
    const node = follow(aNode('n'));
    node.at(0);
    node.set({ session: { server: '', id: '', since: at(1), lastSeen: at(0.5) } });
    expect(node.at(1)).toMatchObject({ ready: 'True AgentReady', wakeInS: 2.5, events: [] });
    expect(node.at(3.5)).toMatchObject({
      ready: 'Unknown HeartbeatLost',
      events: ['NodeNotReady'],
      wakeInS: 2,
    });
    expect(node.at(5.4).lost).toBe('False InReach');
    expect(node.at(5.5)).toMatchObject({
      lost: 'True HeartbeatLost',
      events: ['NodeLost'],
      wakeInS: undefined,
    });
    node.set(back);
    expect(node.at(60)).toMatchObject({
      ready: 'True AgentReady',
      lost: 'False InReach',
      events: ['NodeReady'],
    });
  });

  test('tells a slow agent from a dead node, and gives up no slow one', () => {
    const node = follow(aNode('n'));
    node.at(0);
    node.set({ session: { ...back.session, slow: true } });
    expect(node.at(4)).toMatchObject({ ready: 'False AgentSlow', lost: 'False InReach', wakeInS: undefined });
    expect(node.at(600)).toMatchObject({ lost: 'False InReach' });
    node.set(back);
    expect(node.at(601)).toMatchObject({ ready: 'True AgentReady' });
  });

  test('gives up few nodes at once, many one by one, and not all', () => {
    const lostAt = (fleet: typeof others): string => {
      const node = follow(aNode('n'));
      node.at(0);
      node.fleet(fleet);
      node.set(gone);
      node.at(0);
      return node.at(6).lost;
    };
    expect(lostAt({ total: 5, out: 2, lastLostAtMs: zero + 5_000 })).toBe('True HeartbeatLost');
    expect(lostAt({ total: 5, out: 3, lastLostAtMs: zero + 5_000 })).toBe('False ManyNodesOut');
    expect(lostAt({ total: 5, out: 3, lastLostAtMs: zero - 5_000 })).toBe('True HeartbeatLost');
    expect(lostAt({ total: 5, out: 5, lastLostAtMs: 0 })).toBe('False AllNodesOut');
    expect(lostAt({ total: 2, out: 2, lastLostAtMs: 0 })).toBe('True HeartbeatLost');
  });

  test('says at once that the engine is down, and why', () => {
    const node = follow(aNode('n'));
    node.at(0);
    node.set({
      engine: { runtime: 'docker', version: '28', apiVersion: '1.44', reachable: false, message: 'refused' },
    });
    expect(node.at(1)).toMatchObject({ ready: 'False EngineDown', lost: 'False InReach', wakeInS: 30 });
    expect(node.at(31)).toMatchObject({ lost: 'True EngineDown' });
  });

  test('counts a session whose server is gone as none, since that was last alive', () => {
    const node = follow(aNode('n'));
    node.at(0);
    expect(node.at(4, false)).toMatchObject({ ready: 'Unknown HeartbeatLost', wakeInS: 2 });
    expect(node.at(5, true)).toMatchObject({ ready: 'True AgentReady', wakeInS: undefined });
    expect(node.at(14, false).lost).toBe('False InReach');
    expect(node.at(16, false).lost).toBe('True HeartbeatLost');
  });

  test('declares nobody lost because the control plane was away', () => {
    const node = follow(aNode('n'));
    node.at(0);
    node.set(gone);
    node.at(1);
    const hour = 3600;
    expect(node.at(hour, false, hour * 1000)).toMatchObject({ ready: 'True AgentReady', wakeInS: 3 });
    expect(node.at(hour + 2, false, hour * 1000)).toMatchObject({ lost: 'False InReach' });
    expect(node.at(hour + 3, false, hour * 1000)).toMatchObject({ lost: 'True HeartbeatLost' });
  });

  test('gives nodes time to find a cluster that was restored', () => {
    const seen = (session: NonNullable<Node['status']>, nowS: number): string => {
      const node = { ...aNode('n'), status: { ...aNode('n').status, ...session } };
      const nowMs = zero + nowS * 1000;
      const first = plan({
        node,
        isServerAlive: false,
        nowMs: zero,
        watchingSinceMs: 0,
        timing,
        since: asWritten,
        fleet: () => others,
      });
      const { conditions } = plan({
        node: { ...node, status: { ...node.status, conditions: first.conditions } },
        isServerAlive: false,
        nowMs,
        watchingSinceMs: 0,
        restoredAtMs: zero,
        timing,
        since: asWritten,
        fleet: () => others,
      });
      const lost = findCondition(conditions, 'Lost');
      return `${lost?.status ?? ''} ${lost?.reason ?? ''}`;
    };
    const old = { session: { server: 'a', id: 's', since: at(-100) } };
    expect(seen(old, 600)).toBe('False Restored');
    expect(seen(old, 900)).toBe('True HeartbeatLost');
    const cleared = { session: { server: '', id: '', since: at(10) } };
    expect(seen(cleared, 600)).toBe('False Restored');
    expect(seen({ session: { server: 'a', id: 's', since: at(10) } }, 600)).toBe('True HeartbeatLost');
  });

  test('waits for a new node to describe itself', () => {
    expect(follow({ ...aNode('n'), status: back }).at(0)).toMatchObject({
      ready: 'False NotReported',
      events: [],
    });
  });
});
