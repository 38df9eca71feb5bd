import { describe, expect, test } from '@jest/globals';
import type { Condition, Task, TaskReport, TaskState, TaskStatus } from '../../api-schemas/index.ts';
import { nextStatus, nextTask } from './task-status.ts';

const condition = (type: string, status: Condition['status'] = 'True'): Condition => ({
  type,
  status,
  reason: 'R',
  message: '',
  lastTransitionTime: '2030-01-01T00:00:00Z',
});
const task = (more: Partial<Task['metadata']> = {}, status: TaskStatus = { state: 'Running' }): Task => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name: 't', namespace: 'default', uid: 'u', ...more },
  spec: { service: 's', revision: 'r', nodeName: 'n1', desiredState: 'Running' },
  status,
});
const report = (state: TaskState, more: Partial<TaskReport> = {}): TaskReport => ({
  namespace: 'default',
  name: 't',
  uid: 'u',
  status: { state },
  ...more,
});

describe('a task’s status', () => {
  test('moves forward only', () => {
    expect(nextStatus({ state: 'Preparing' }, { state: 'Running' })).toEqual({ state: 'Running' });
    expect(nextStatus({ state: 'Running' }, { state: 'Preparing' })).toBeUndefined();
  });

  test('stays at its first end', () => {
    expect(nextStatus({ state: 'Complete' }, { state: 'Failed' })).toBeUndefined();
    expect(nextStatus({ state: 'Failed' }, { state: 'Failed', message: 'why' })).toEqual({
      state: 'Failed',
      message: 'why',
    });
  });

  test('is not written when nothing changes', () => {
    const status: TaskStatus = { state: 'Running', conditions: [condition('Scheduled')], containerID: 'c' };
    expect(nextStatus(status, { state: 'Running', containerID: 'c' })).toBeUndefined();
    expect(nextStatus(status, { state: 'Running' })).toBeUndefined();
  });

  test('keeps facts and the conditions of others, and drops an old reason', () => {
    const old: TaskStatus = {
      state: 'Preparing',
      reason: 'ImagePullFailed',
      containerID: 'c',
      conditions: [condition('Scheduled'), condition('Port', 'False')],
    };
    expect(nextStatus(old, { state: 'Running', conditions: [condition('Port')] })).toEqual({
      state: 'Running',
      containerID: 'c',
      conditions: [condition('Scheduled'), condition('Port')],
    });
  });
});

describe('a report', () => {
  test('of another node or another task of the same name changes nothing', () => {
    expect(nextTask(task(), 'n2', report('Failed'))).toBeUndefined();
    expect(nextTask(task({ uid: 'later' }), 'n1', report('Failed'))).toBeUndefined();
    expect(nextTask(task(), 'n1', report('Failed'))?.status?.state).toBe('Failed');
  });

  test('that the container is gone lets a task go that is being deleted, and no other', () => {
    const finalizers = ['orc.dev/container', 'foregroundDeletion'];
    const gone = report('Running', { gone: true });
    expect(nextTask(task({ finalizers }), 'n1', gone)).toBeUndefined();
    const deleting = task({ finalizers, deletionTimestamp: '2030-01-01T00:00:00Z' });
    expect(nextTask(deleting, 'n1', gone)?.metadata.finalizers).toEqual(['foregroundDeletion']);
    expect(nextTask(deleting, 'n1', report('Accepted', { gone: true }))?.status?.state).toBe('Running');
  });
});
