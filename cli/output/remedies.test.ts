import { describe, expect, test } from '@jest/globals';
import type { Service, Task } from '../../api-schemas/index.ts';
import { condition, node, service, task } from '../testobjects.ts';
import { diagnose } from './diagnose.ts';
import { remedyFor } from './remedies.ts';

const next = (object: Service | Task, tasks: readonly Task[] = []): string =>
  (diagnose(object, { tasks, services: [] })?.next ?? []).join('\n');
const waiting = (reason: string, ...more: ReturnType<typeof condition>[]): Service =>
  service(
    'web',
    { replicas: 2 },
    { desired: 2, ready: 1, conditions: [condition('Ready', 'False', reason), ...more] },
  );

test.each([
  ...['PortTaken', 'NoPortFree', 'BadMount', 'UnknownUser', 'CommandNotFound', 'CommandNotExecutable'],
  ...[
    'PlatformMismatch',
    'DeviceUnavailable',
    'BadLogging',
    'EngineTooOld',
    'RefusedByEngine',
    'EngineError',
  ],
  ...['NonZeroExit', 'Killed', 'Unhealthy', 'OOMKilled', 'ContainerLost', 'StoppedOutside', 'StartFailed'],
  ...['RestartsUsedUp', 'NotRestarted', 'NoNodeFits', 'ImagePullFailed', 'EngineDown', 'HeartbeatLost'],
  ...['NodeLost', 'NameTaken', 'InvalidName'],
])('%s has a remedy, also when nothing goes on by itself', (reason) => {
  expect(remedyFor(reason, false)).toHaveLength(1);
  expect(remedyFor(reason, false)[0]).not.toContain('by itself');
});

test.each(['PullAccessDenied', 'ImageNotFound', 'DiskFull', 'NoFreeSubnet'])(
  '%s says its remedy itself, so only what orc does is added',
  (reason) => {
    expect(remedyFor(reason, true)).toHaveLength(1);
    expect(remedyFor(reason, false)).toEqual([]);
  },
);

test('what is no fault has no remedy', () => {
  for (const reason of ['Converged', 'Scaling', 'toString', '']) expect(remedyFor(reason, true)).toEqual([]);
});

describe('the next steps', () => {
  const failed = task('web', 1, { state: 'Failed', reason: 'NonZeroExit', exitCode: 1 });
  const ready = task('web', 2, { state: 'Running' });

  test('promise a restart only while there will be one', () => {
    const again = task('web', 1, { state: 'Pending' }, { restarts: 1 });
    expect(next(waiting('NonZeroExit'), [failed, again, ready])).toContain('started again by itself');
    const gaveUp = waiting('NonZeroExit', condition('Stalled', 'True', 'RestartsUsedUp', 'slot 1 gave up'));
    const steps = next(gaveUp, [failed, ready]);
    expect(steps).not.toContain('by itself');
    expect(steps).toContain('its output says why');
    expect(steps).toContain('apply again, or delete the task');
  });

  test('of a task that has ended promise nothing', () => {
    expect(next(failed)).not.toContain('by itself');
    expect(next(task('web', 1, { state: 'Preparing', reason: 'ImagePullFailed', message: 'no' }))).toContain(
      'tried again by itself',
    );
  });

  test('do not speak of what is over in a slot that runs again', () => {
    const oom = task('web', 2, { state: 'Failed', reason: 'OOMKilled', exitCode: 137 });
    const runs = task('web', 2, { state: 'Running' }, { restarts: 1 });
    const pending = task('web', 1, { state: 'Pending', reason: 'NoNodeFits', message: 'no node fits' });
    const steps = next(waiting('NoNodeFits'), [oom, runs, pending]);
    expect(steps).toContain('relax placement');
    expect(steps).not.toContain('memory');
  });

  test('name the nodes that a person has closed to tasks', () => {
    const why = (text: string) =>
      task('web', 1, { state: 'Pending', reason: 'NoNodeFits', message: `no node fits: ${text}` });
    const steps = next(waiting('NoNodeFits'), [
      why('c: node is lost; b: node is draining; a: node is cordoned'),
    ]);
    expect(steps).toMatch(/^`orc uncordon a b` makes them take tasks again/);
    expect(next(why('b: node is draining'))).toContain('`orc uncordon b` makes it take tasks again');
    expect(next(why('9 nodes: node is draining; b: needs 2 CPUs, 1 free'))).toContain('`orc uncordon NODE`');
    expect(next(why('b: needs 2 CPUs, 1 free'))).not.toContain('uncordon');
  });

  test('speak of a port that does not answer although all tasks run', () => {
    const tasks = [task('web', 1, { state: 'Running' }), ready];
    const silent = waiting('PortTaken', condition('PortsPublished', 'False', 'PortTaken', 'port 80 is held'));
    expect(next(silent, tasks)).toContain('publish another port');
  });

  test('of a node that is silent name both ways to run orc', () => {
    const silent = node('node-a', {}, [condition('Ready', 'Unknown', 'HeartbeatLost')]);
    expect(diagnose(silent, { tasks: [], services: [] })?.next.join()).toContain('`orc up` or `orc agent`');
  });
});
