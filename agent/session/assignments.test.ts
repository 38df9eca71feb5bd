import { describe, expect, test } from '@jest/globals';
import type { Task } from '../../api-schemas/index.ts';
import { Assignments } from './assignments.ts';

const task = (name: string): Task => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name, namespace: 'd' },
  spec: { service: 's', revision: 'r', desiredState: 'Running' },
});
const set = (...names: string[]) => ({ tasks: names.map(task), revisions: [], endpoints: [] });
const remove = (...tasks: string[]) => ({ tasks, revisions: [], endpoints: [] });
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
