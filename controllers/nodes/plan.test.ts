import { describe, expect, test } from '@jest/globals';
import type { Node } from '../../api-schemas/index.ts';
import { findCondition } from '../runtime/conditions.ts';
import { aNode } from '../runtime/testing.ts';
import { plan } from './plan.ts';

const timing = { sessionGraceMs: 10_000, lostAfterMs: 30_000, eventTtlMs: 0 };
const zero = Date.parse('2030-01-01T00:00:00Z');

/** Follows one node: each `at` makes a pass and keeps what it says. */
function follow(node: Node, watchingSinceMs = 0) {
  let current: Node = { ...node, status: { ...node.status, conditions: [] } };
  return {
    set(status: NonNullable<Node['status']>): void {
      current = { ...current, status: { ...current.status, ...status } };
    },
    at(seconds: number, isServerAlive = true, since = watchingSinceMs) {
      const nowMs = zero + seconds * 1000;
      const result = plan({ node: current, isServerAlive, nowMs, watchingSinceMs: zero + since, timing });
      current = { ...current, status: { ...current.status, conditions: result.conditions } };
      const again = plan({ node: current, isServerAlive, nowMs, watchingSinceMs: zero + since, timing });
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

  test('gives a node without a session its grace, then 30 s, then gives it up', () => {
    const node = follow(aNode('n'));
    node.at(0);
    node.set(gone);
    expect(node.at(1)).toMatchObject({ ready: 'True AgentReady', wakeInS: 10, events: [] });
    expect(node.at(10)).toMatchObject({ ready: 'True AgentReady', wakeInS: 1 });
    expect(node.at(11)).toMatchObject({
      ready: 'Unknown HeartbeatLost',
      events: ['NodeNotReady'],
      wakeInS: 30,
    });
    expect(node.at(40)).toMatchObject({ lost: 'False InReach', wakeInS: 1 });
    expect(node.at(41)).toMatchObject({
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

  test('says at once that the engine is down, and why', () => {
    const node = follow(aNode('n'));
    node.at(0);
    node.set({
      engine: { runtime: 'docker', version: '28', apiVersion: '1.44', reachable: false, message: 'refused' },
    });
    expect(node.at(1)).toMatchObject({ ready: 'False EngineDown', lost: 'False InReach', wakeInS: 30 });
    expect(node.at(31)).toMatchObject({ lost: 'True EngineDown' });
  });

  test('counts a session whose server is gone as none', () => {
    const node = follow(aNode('n'));
    node.at(0);
    expect(node.at(1, false)).toMatchObject({ ready: 'True AgentReady', wakeInS: 10 });
    expect(node.at(5, true)).toMatchObject({ ready: 'True AgentReady', wakeInS: undefined });
  });

  test('declares nobody lost because the control plane was away', () => {
    const node = follow(aNode('n'));
    node.at(0);
    node.set(gone);
    node.at(1);
    const hour = 3600;
    expect(node.at(hour, false, hour * 1000)).toMatchObject({ ready: 'True AgentReady', wakeInS: 10 });
    expect(node.at(hour + 10, false, hour * 1000)).toMatchObject({ ready: 'Unknown HeartbeatLost' });
    expect(node.at(hour * 2, false, hour * 2000)).toMatchObject({ lost: 'False InReach', wakeInS: 30 });
  });

  test('waits for a new node to describe itself', () => {
    expect(follow({ ...aNode('n'), status: back }).at(0)).toMatchObject({
      ready: 'False NotReported',
      events: [],
    });
  });
});
