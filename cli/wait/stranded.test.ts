import { describe, expect, test } from '@jest/globals';
import { condition, node, service, task } from '../testobjects.ts';
import { strandedBy, strandedText, together, unplaced } from './stranded.ts';

const ready = [condition('Ready', 'True')];
const running = { state: 'Running' } as const;
const services = [
  service('web', { replicas: 2 }),
  service('db', { placement: { constraints: ['node.labels.zone == eu'] } }),
  service('log', { mode: 'global' }),
];
const tasks = [
  task('web', 1, running),
  task('web', 2, running),
  task('web', 3, running, { desiredState: 'Shutdown' }),
  task('db', 1, running),
  task('log', 1, running),
  task('web', 4, running, { nodeName: 'node-b' }),
];
const told = (...others: readonly ReturnType<typeof node>[]): unknown =>
  Object.fromEntries(
    strandedBy('node-a', { nodes: [node('node-a', {}, ready), ...others], services, tasks }),
  );

describe('what a drain leaves without a place', () => {
  test('is what no other node takes, as it is or by its constraints; global services have none anyway', () => {
    expect(told()).toEqual({ 'default/web': 2, 'default/db': 1 });
    expect(told(node('node-b', {}, ready))).toEqual({ 'default/db': 1 });
    for (const closed of [
      node('node-b', { availability: 'drain' }, ready),
      node('node-b', { availability: 'pause' }, ready),
      node('node-b', {}, [condition('Ready', 'Unknown')]),
      node('node-b', {}, [...ready, condition('Lost', 'True')]),
    ])
      expect(told(closed)).toEqual({ 'default/web': 2, 'default/db': 1 });
  });

  test('is, in the end, also what the scheduler has found no room for', () => {
    const pending = {
      state: 'Pending',
      conditions: [condition('Scheduled', 'False', 'NoNodeFits')],
    } as const;
    const found = unplaced(new Set(['default/web']), [
      task('web', 1, pending),
      task('web', 2, running),
      task('db', 1, pending),
    ]);
    expect(Object.fromEntries(found)).toEqual({ 'default/web': 1 });
    const both = together(new Map([['default/web', 2]]), new Map([...found, ['default/x', 1]]));
    expect(Object.fromEntries(both)).toEqual({ 'default/web': 2, 'default/x': 1 });
  });

  test('is said with its number, its services and the command that ends it', () => {
    const stranded = new Map([
      ['default/web', 3],
      ['default/db', 1],
    ]);
    expect(strandedText('n1', stranded, 'before')).toBe(
      '4 tasks have nowhere to go and stop: default/db (1), default/web (3); `orc uncordon n1` ends the drain',
    );
    expect(strandedText('n1', stranded, 'after')).toMatch(/^4 tasks have nowhere to go: .*`orc uncordon n1`/);
    expect(strandedText('n1', new Map(), 'after')).toBeUndefined();
  });
});
