import { describe, expect, test } from '@jest/globals';
import type { Task, TaskSpec } from '../../api-schemas/index.ts';
import type { ContainerState } from '../runtime/types.ts';
import { afterEndAlone } from './alone.ts';
import { plan } from './plan.ts';

const now = Date.parse('2030-01-01T00:01:00Z');
const endedAt = '2030-01-01T00:00:59.500Z';
const task = (spec: Partial<TaskSpec> = {}): Task => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name: 'web-1', namespace: 'default', uid: 'u' },
  spec: { service: 'web', revision: 'web-1', desiredState: 'Running', ...spec },
});
const ended = (exitCode = 1): ContainerState => ({
  id: 'c',
  taskUID: 'u',
  labels: {},
  status: 'exited',
  health: 'none',
  addresses: [],
  ports: [],
  exitCode,
  startedAt: '2030-01-01T00:00:00Z',
  finishedAt: endedAt,
});
const record = (alone?: number) => ({
  status: { state: 'Running' as const },
  ...(alone === undefined ? {} : { alone }),
});

describe('a container that ends', () => {
  test('is reported while a server is reached, and waits for one through a failover', () => {
    expect(afterEndAlone(task(), ended(), record(), 0, now)).toEqual({ kind: 'report' });
    expect(afterEndAlone(task(), ended(), record(), 4_000, now)).toEqual({
      kind: 'wait',
      until: now + 6_000,
    });
  });

  test('is started again when no server comes back, at once and then later and later', () => {
    expect(afterEndAlone(task(), ended(), record(), 10_000, now)).toEqual({ kind: 'restart' });
    const end = Date.parse(endedAt);
    expect(afterEndAlone(task(), ended(), record(1), 60_000, now)).toEqual({
      kind: 'wait',
      until: end + 1_000,
    });
    expect(afterEndAlone(task(), ended(), record(9), 60_000, now)).toEqual({
      kind: 'wait',
      until: end + 60_000,
    });
  });

  test('is not started again against its service’s wish', () => {
    const report = { kind: 'report' };
    const wish = (spec: Partial<TaskSpec>, exitCode: number) =>
      afterEndAlone(task(spec), ended(exitCode), record(), 60_000, now);
    expect(wish({ restartCondition: 'none' }, 1)).toEqual(report);
    expect(wish({ restartCondition: 'on-failure' }, 0)).toEqual(report);
    expect(wish({ restartCondition: 'on-failure' }, 1)).toEqual({ kind: 'restart' });
    expect(wish({ stopOnClientAfter: '5s' }, 1)).toEqual(report);
  });

  test('says where it is once it runs again', () => {
    const status = { state: 'Running' as const, startedAt: '2030-01-01T00:00:00Z' };
    const container: ContainerState = { ...ended(), status: 'running', startedAt: '2030-01-01T00:01:01Z' };
    const view = { task: task(), hasRevision: true, container, now, outMs: 0 };
    expect(plan({ ...view, record: { status, alone: 1 } })).toMatchObject({
      kind: 'report',
      status: { state: 'Running', startedAt: '2030-01-01T00:01:01Z' },
    });
    expect(plan({ ...view, record: { status } })).toEqual({ kind: 'wait' });
  });
});
