import { describe, expect, test } from '@jest/globals';
import { taskStates, type Task, type TaskState, type TaskStatus } from '../../api-schemas/index.ts';
import { label, type ContainerState } from '../runtime/types.ts';
import { plan, type TaskView } from './plan.ts';
import { furthest, type TaskRecord } from './record.ts';

const now = Date.parse('2030-01-01T00:00:00Z');

function task(spec: Partial<Task['spec']> = {}, deleted = false): Task {
  return {
    apiVersion: 'orc.dev/v1',
    kind: 'Task',
    metadata: {
      name: 'web-1',
      namespace: 'default',
      uid: 'u1',
      ...(deleted ? { deletionTimestamp: '2030-01-01T00:00:00Z' } : {}),
    },
    spec: { service: 'web', revision: 'web-abc', nodeName: 'node1', desiredState: 'Running', ...spec },
  };
}

function container(more: Partial<ContainerState> = {}): ContainerState {
  return {
    id: 'c1',
    taskUID: 'u1',
    labels: {},
    status: 'running',
    health: 'none',
    addresses: [{ network: 'orc-default', ip: '172.18.0.2' }],
    ports: [],
    ...more,
  };
}

function view(state: TaskState, seen: TaskView['container'], more: Partial<TaskView> = {}): TaskView {
  const record = { status: { state }, ...(seen === 'missing' ? {} : { containerID: 'c1' }) };
  return { task: task(), hasRevision: true, container: seen, record, now, ...more };
}

const reported = (step: ReturnType<typeof plan>): TaskStatus | undefined =>
  step.kind === 'report' ? step.status : undefined;

describe('a task that is to run', () => {
  test('is accepted, prepared, made and started, one step at a time', () => {
    expect(reported(plan(view('Assigned', 'missing')))?.state).toBe('Accepted');
    expect(reported(plan(view('Accepted', 'missing')))?.state).toBe('Preparing');
    expect(plan(view('Preparing', 'missing'))).toEqual({ kind: 'prepare' });
    const made = container({ status: 'created' });
    expect(reported(plan(view('Preparing', made)))).toMatchObject({ state: 'Ready', containerID: 'c1' });
    expect(reported(plan(view('Ready', made)))?.state).toBe('Starting');
    expect(plan(view('Starting', made))).toEqual({ kind: 'start' });
    expect(reported(plan(view('Starting', container())))).toMatchObject({
      state: 'Running',
      addresses: [{ network: 'orc-default', ip: '172.18.0.2' }],
    });
    expect(plan(view('Running', container()))).toEqual({ kind: 'wait' });
  });

  test('waits for its revision', () => {
    expect(plan(view('Accepted', 'missing', { hasRevision: false }))).toEqual({ kind: 'wait' });
  });

  test('waits in Ready until it is wanted', () => {
    const made = container({ status: 'created' });
    expect(plan(view('Ready', made, { task: task({ desiredState: 'Ready' }) }))).toEqual({ kind: 'wait' });
  });

  test('is made when its time has come, and not later because a clock is another', () => {
    const notBefore = '2030-01-01T00:00:05Z';
    const early = view('Accepted', 'missing', { task: task({ notBefore }) });
    expect(plan(early)).toEqual({ kind: 'wait', until: now + 5_000 });
    const minutes = 60_000;
    for (const ahead of [-10 * minutes, 10 * minutes]) {
      const at = (ms: number): string => new Date(now + ahead + ms).toISOString();
      const pause = task({ notBefore: at(8_000) });
      const made = { ...pause, metadata: { ...pause.metadata, creationTimestamp: at(0) } };
      const record = { status: { state: 'Accepted' as const, since: new Date(now - 1_000).toISOString() } };
      const step = plan(view('Accepted', 'missing', { task: made, record }));
      expect(step).toEqual({ kind: 'wait', until: now + 7_000 });
    }
  });

  test('does not wait for a clock that was set back since it came', () => {
    const later = 600_000;
    const at = (ms: number): string => new Date(now + later + ms).toISOString();
    const pause = task({ notBefore: at(8_000) });
    const made = { ...pause, metadata: { ...pause.metadata, creationTimestamp: at(0) } };
    const record = { status: { state: 'Accepted' as const, since: at(0) } };
    expect(reported(plan(view('Accepted', 'missing', { task: made, record })))).toMatchObject({
      state: 'Preparing',
    });
  });

  test('waits once: what it has begun after its pause goes on', () => {
    const at = (ms: number): string => new Date(now + ms).toISOString();
    const pause = task({ notBefore: at(0) });
    const made = { ...pause, metadata: { ...pause.metadata, creationTimestamp: at(-60_000) } };
    const since = (ms: number, state: 'Accepted' | 'Preparing'): TaskRecord => ({
      status: { state, since: at(ms) },
    });
    const accepted = { task: made, record: since(-60_000, 'Accepted') };
    expect(reported(plan(view('Accepted', 'missing', accepted)))).toMatchObject({ state: 'Preparing' });
    const preparing = { task: made, record: since(0, 'Preparing') };
    expect(plan(view('Preparing', 'missing', preparing))).toEqual({ kind: 'prepare' });
  });

  test('waits for its next try after an image could not be pulled', () => {
    const record = { status: { state: 'Preparing' as const }, retry: { failures: 1, at: now + 900 } };
    expect(plan(view('Preparing', 'missing', { record }))).toEqual({ kind: 'wait', until: now + 900 });
    expect(plan(view('Preparing', 'missing', { record, now: now + 900 }))).toEqual({ kind: 'prepare' });
    const setBack = now - 600_000;
    expect(plan(view('Preparing', 'missing', { record, now: setBack }))).toEqual({ kind: 'prepare' });
  });

  test('is Running only when its health check says so, and given up when it says no', () => {
    const step = plan(view('Starting', container({ health: 'starting' })));
    expect(reported(step)).toMatchObject({ state: 'Starting', message: 'waiting for the health check' });
    expect(reported(plan(view('Starting', container({ health: 'healthy' }))))?.state).toBe('Running');
    const ill = container({ health: 'unhealthy', healthMessage: 'no answer' });
    expect(plan(view('Running', ill))).toEqual({
      kind: 'fail',
      reason: 'Unhealthy',
      message: 'the health check failed: no answer',
    });
    const failing = { reason: 'Unhealthy', message: 'the health check failed: no answer' };
    const record = { status: { state: 'Running' as const }, containerID: 'c1', failing };
    expect(plan(view('Running', ill, { record }))).toEqual({ kind: 'stop' });
    const ended = container({ status: 'exited', exitCode: 0 });
    expect(reported(plan(view('Running', ended, { record })))).toMatchObject({ state: 'Failed', ...failing });
  });

  test.each([
    [{ exitCode: 0 }, 'Complete', undefined],
    [{ exitCode: 1 }, 'Failed', 'NonZeroExit'],
    [{ exitCode: 137 }, 'Failed', 'Killed'],
    [{ exitCode: 255 }, 'Failed', 'NonZeroExit'],
    [{ exitCode: 137, oomKilled: true }, 'Failed', 'OOMKilled'],
  ])('whose container ended with %j is %s', (how, state, reason) => {
    const status = reported(plan(view('Running', container({ status: 'exited', ...how }))));
    expect(status).toMatchObject({ state, exitCode: how.exitCode });
    expect(status?.reason).toBe(reason);
  });

  test.each([0, 137, 255])(
    'that the engine stopped by itself, with %d, neither completed nor crashed',
    (exitCode) => {
      const ended = container({ status: 'exited', exitCode });
      const status = reported(plan(view('Running', ended, { endedOutside: true })));
      expect(status).toMatchObject({ state: 'Failed', reason: 'StoppedOutside' });
    },
  );

  test('that failed by itself while the engine was away failed by itself', () => {
    const ended = container({ status: 'exited', exitCode: 3 });
    const status = reported(plan(view('Running', ended, { endedOutside: true })));
    expect(status).toMatchObject({ state: 'Failed', reason: 'NonZeroExit' });
  });

  test('is lost only when the engine says that the container is gone', () => {
    expect(plan(view('Running', 'unknown'))).toEqual({ kind: 'inspect' });
    const record = { status: { state: 'Running' as const }, containerID: 'c1' };
    const status = reported(plan(view('Running', 'missing', { record })));
    expect(status).toMatchObject({ state: 'Failed', reason: 'ContainerLost' });
  });
});

describe('a task that has ended', () => {
  test('is asked about once more, and is left alone', () => {
    const ended = container({ status: 'exited', exitCode: 1 });
    expect(plan(view('Failed', ended))).toEqual({ kind: 'confirm' });
    const record = { status: { state: 'Failed' as const }, containerID: 'c1', confirmed: true };
    expect(plan(view('Failed', ended, { record }))).toEqual({ kind: 'wait' });
    expect(plan(view('Complete', ended))).toEqual({ kind: 'wait' });
  });

  test('has its container stopped when someone started it', () => {
    expect(plan(view('Failed', container()))).toEqual({ kind: 'stop' });
  });
});

describe('a task that is shut down', () => {
  const down = { task: task({ desiredState: 'Shutdown' }) };
  test('is stopped, and keeps its container', () => {
    expect(plan(view('Running', container(), down))).toEqual({ kind: 'stop' });
    const ended = container({ status: 'exited', exitCode: 143 });
    expect(reported(plan(view('Running', ended, down)))).toMatchObject({ state: 'Shutdown', exitCode: 143 });
  });

  test('before it was started, never is', () => {
    expect(reported(plan(view('Preparing', 'missing', down)))?.state).toBe('Shutdown');
    expect(reported(plan(view('Ready', container({ status: 'created' }), down)))?.state).toBe('Shutdown');
  });
});

describe('a task that is to stop and takes connections', () => {
  const networks = ['default'];
  const record: TaskRecord = { status: { state: 'Running' }, containerID: 'c1' };
  test.each([
    ['shut down', task({ networks, desiredState: 'Shutdown' })],
    ['deleted', task({ networks }, true)],
  ])('because it is %s, is stopped when it has left everywhere, or after 2 s', (_, wanted) => {
    const at = (ms: number, more: Partial<TaskView> = {}) =>
      plan(view('Running', container(), { task: wanted, now: now + ms, ...more }));
    expect(at(0, { record })).toEqual({ kind: 'leave' });
    const leaving = { record: { ...record, leavingAt: now } };
    expect(at(500, leaving)).toEqual({ kind: 'wait', until: now + 2_000 });
    expect(at(500, { ...leaving, hasLeft: true })).toEqual({ kind: 'stop' });
    expect(at(2_000, leaving)).toEqual({ kind: 'stop' });
    expect(at(-600_000, leaving)).toEqual({ kind: 'stop' });
  });

  test('as its health check says no, leaves, too', () => {
    const failing = { reason: 'Unhealthy', message: '' };
    const ill = { task: task({ networks }), record: { ...record, failing } };
    expect(plan(view('Running', container(), ill))).toEqual({ kind: 'leave' });
    expect(plan(view('Running', container(), { ...ill, hasLeft: true }))).toEqual({ kind: 'stop' });
  });

  test('is stopped at once where nobody knows it', () => {
    const wanted = task({ networks, desiredState: 'Shutdown' });
    expect(plan(view('Starting', container(), { task: wanted }))).toEqual({ kind: 'stop' });
    const alone = task({ desiredState: 'Shutdown' });
    expect(plan(view('Running', container(), { task: alone }))).toEqual({ kind: 'stop' });
    const failing = { reason: 'Disconnected', message: '' };
    expect(plan(view('Running', container(), { task: task({ networks }), record: { ...record, failing } }))).toEqual({ kind: 'stop' }); // prettier-ignore
  });
});

describe('a task that is deleted, or not of this node', () => {
  test('is stopped and removed, and gone is said once', () => {
    const deleted = { task: task({}, true) };
    expect(plan(view('Running', container(), deleted))).toEqual({ kind: 'stop' });
    expect(plan(view('Running', container({ status: 'exited' }), deleted))).toEqual({ kind: 'remove' });
    expect(plan(view('Running', 'missing', deleted))).toEqual({ kind: 'gone' });
    const record = { status: { state: 'Running' as const }, gone: true };
    expect(plan(view('Running', 'missing', { ...deleted, record }))).toEqual({ kind: 'wait' });
    const { task: _task, ...stray } = view('Running', container());
    expect(plan(stray)).toEqual({ kind: 'stop' });
    expect(plan({ ...stray, container: 'missing' })).toEqual({ kind: 'wait' });
  });
});

test('no view makes a state go back', () => {
  for (const [rank, state] of taskStates.entries())
    for (const seen of ['missing', 'unknown', container(), container({ status: 'created' })] as const)
      for (const desiredState of ['Ready', 'Running', 'Shutdown'] as const) {
        const status = reported(plan(view(state, seen, { task: task({ desiredState }) })));
        if (status !== undefined) expect(taskStates.indexOf(status.state)).toBeGreaterThanOrEqual(rank);
      }
});

test('of two statuses the one further on counts, and one that has ended stays', () => {
  expect(furthest({ state: 'Ready' }, { state: 'Running' }).state).toBe('Running');
  expect(furthest({ state: 'Running' }, { state: 'Ready' }).state).toBe('Running');
  expect(furthest({ state: 'Complete' }, { state: 'Failed' }).state).toBe('Complete');
});

test.each([
  ['default', 'exit code 3; its output: `orc logs task/web-1`'],
  ['shop', 'exit code 3; its output: `orc logs task/web-1 -n shop`'],
])('an exit in namespace %s says how to see the output', (namespace, message) => {
  const labels = { [label.task]: 'web-1', [label.namespace]: namespace };
  const ended = container({ status: 'exited', exitCode: 3, labels });
  expect(reported(plan(view('Running', ended)))).toMatchObject({ reason: 'NonZeroExit', message });
});

test.each([
  [137, 'killed by SIGKILL, exit code 137'],
  [139, 'killed by SIGSEGV, exit code 139'],
])('an end with %d names its signal', (exitCode, message) => {
  const ended = container({ status: 'exited', exitCode });
  expect(reported(plan(view('Running', ended)))).toMatchObject({ reason: 'Killed', message });
});
