import { describe, expect, test } from '@jest/globals';
import { noAssignments, type NetworkPeers, type Task } from '../../api-schemas/index.ts';
import { Assignments } from './assignments.ts';

const task = (name: string): Task => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name, namespace: 'd' },
  spec: { service: 's', revision: 'r', desiredState: 'Running' },
});
const set = (...names: string[]) => ({ ...noAssignments, tasks: names.map(task) });
const remove = (...tasks: string[]) => ({ ...noAssignments, tasks });
const names = (assignments: Assignments): string[] | undefined =>
  assignments.current?.tasks.map(({ metadata }) => metadata.name);

describe('assignments', () => {
  test('are a full set and the changes since', () => {
    const assignments = new Assignments();
    expect(assignments.current).toBeUndefined();
    expect(assignments.apply({ type: 'assignments', seq: 1, full: true, set: set('a', 'b') })).toBe(true);
    expect(
      assignments.apply({ type: 'assignments', seq: 2, full: false, set: set('c'), remove: remove('d/a') }),
    ).toBe(true);
    expect(names(assignments)).toEqual(['b', 'c']);
    expect(assignments.apply({ type: 'assignments', seq: 9, full: true, set: set('z') })).toBe(true);
    expect(names(assignments)).toEqual(['z']);
  });

  test('hold what is on other nodes for each network and node', () => {
    const peers = (network: string, node: string, ...ips: string[]): NetworkPeers => ({
      ...{ network, node, ips },
      address: '192.0.2.1',
      gateway: '10.0.0.254',
    });
    const assignments = new Assignments();
    const ofTwo = [peers('d/a', 'n1', '10.0.1.0'), peers('d/a', 'n2'), peers('d/b', 'n1')];
    assignments.apply({ type: 'assignments', seq: 1, full: true, set: { ...noAssignments, peers: ofTwo } });
    assignments.apply({
      ...{ type: 'assignments', seq: 2, full: false },
      set: { ...noAssignments, peers: [peers('d/a', 'n1', '10.0.1.0', '10.0.1.1')] },
      remove: { ...noAssignments, peers: ['d/a/n2'] },
    });
    const held = assignments.current?.peers.map(({ network, node, ips }) => [network, node, ips.length]);
    expect(held).toEqual([
      ['d/a', 'n1', 2],
      ['d/b', 'n1', 0],
    ]);
  });

  test('do not change when a frame is missing', () => {
    const assignments = new Assignments();
    expect(
      assignments.apply({ type: 'assignments', seq: 1, full: false, set: set('a'), remove: remove() }),
    ).toBe(false);
    assignments.apply({ type: 'assignments', seq: 1, full: true, set: set('a') });
    expect(
      assignments.apply({ type: 'assignments', seq: 3, full: false, set: set('b'), remove: remove() }),
    ).toBe(false);
    expect(names(assignments)).toEqual(['a']);
  });
});
