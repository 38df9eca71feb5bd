import { leaveWithinMs, type Task, type TaskState, type TaskStatus } from '../../api-schemas/index.ts';
import type { ContainerState } from '../runtime/types.ts';
import { afterEndAlone } from './alone.ts';
import { finished, lost, running } from './outcome.ts';
import { disconnected, isBefore, isEnded, pullRetry, type TaskRecord } from './record.ts';

/** All that the next step depends on. */
export interface TaskView {
  /** Absent: the container's task is not assigned to this node. */
  readonly task?: Task;
  /** Whether the settings of its container are here. */
  readonly hasRevision: boolean;
  /** `unknown`: there should be one and the last look did not show it. `missing`: the engine says there is none. */
  readonly container: ContainerState | 'unknown' | 'missing';
  /** The engine ended the container without our asking: `docker stop`, or its own shutdown. */
  readonly endedOutside?: boolean;
  /** A server has said that no node sends connections to it any more. */
  readonly hasLeft?: boolean;
  readonly record: TaskRecord;
  /** For how long no server has been reached, in ms; 0 while one is. */
  readonly outMs?: number;
  /** ms since the epoch */
  readonly now: number;
}

export type Step =
  | { readonly kind: 'report'; readonly status: TaskStatus }
  /** Network, image, create. */
  | { readonly kind: 'prepare' }
  | { readonly kind: 'start' }
  /** Start a container again that has ended: only while nobody else can act. */
  | { readonly kind: 'restart' }
  /** Ask the engine about this one container. */
  | { readonly kind: 'inspect' }
  /** Give up a container that still runs: remember why, then stop. */
  | { readonly kind: 'fail'; readonly reason: string; readonly message: string }
  /** It is to be stopped: remember since when it waits to have left everywhere. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'remove' }
  /** Ask the engine once more why the container ended. */
  | { readonly kind: 'confirm' }
  | { readonly kind: 'gone' }
  /** Nothing to do before something changes, or before `until` (ms since the epoch). */
  | { readonly kind: 'wait'; readonly until?: number };

const wait: Step = { kind: 'wait' };

/**
 * Decides the one next step of a task. Pure; called again after each step and each change. A container is started at
 * most once, but for the time without servers, and a state never goes back.
 */
export function plan(view: TaskView): Step {
  const { task, container, record } = view;
  if (task === undefined || task.metadata.deletionTimestamp !== undefined) return clear(view);
  if (isEnded(record.status.state)) return settle(view);
  if (container === 'unknown') return { kind: 'inspect' };
  if (task.spec.desiredState === 'Shutdown') return shutDown(view);
  if (container === 'missing')
    return record.containerID === undefined ? prepare(view, task) : report(lost(record));
  if (record.failing !== undefined) {
    if (container.status !== 'running') return report(finished(container, record, 'Failed', record.failing));
    // Who is cut off has a time by which it is to be stopped, and nobody tells it that it has left.
    return record.failing.reason === disconnected ? { kind: 'stop' } : leave(view);
  }
  switch (container.status) {
    case 'created':
      return launch(view, task, container);
    case 'running':
      return run(record, container);
    case 'exited': {
      const alone = afterEndAlone(task, container, record, view.outMs ?? 0, view.now);
      if (alone.kind !== 'report') return alone;
      return report(
        wasStopped(view, container)
          ? finished(container, record, 'Failed', stoppedOutside)
          : finished(container, record),
      );
    }
  }
}

/** 0, or killed by a signal (255: the engine was not there to see): what a stop leaves. Other codes are the program's. */
function wasStopped({ endedOutside }: TaskView, { exitCode = 0, oomKilled }: ContainerState): boolean {
  return endedOutside === true && !oomKilled && (exitCode === 0 || exitCode > 128);
}

/** What nobody of ours asked for is neither a completion nor the program's failure. */
const stoppedOutside = {
  reason: 'StoppedOutside',
  message: 'something else than orc stopped the container: docker stop, or the engine when it went down',
};

/** Of a task that is deleted or not ours: no container may be left. */
function clear(view: TaskView): Step {
  const { task, container, record } = view;
  if (container === 'unknown') return { kind: 'inspect' };
  if (container !== 'missing') return container.status === 'running' ? leave(view) : { kind: 'remove' };
  return task === undefined || record.gone ? wait : { kind: 'gone' };
}

/** Of a task that has ended: its container stays for its logs, stopped. */
function settle({ container, record }: TaskView): Step {
  if (container === 'unknown') return { kind: 'inspect' };
  if (container === 'missing') return wait;
  if (container.status === 'running') return { kind: 'stop' };
  const known = container.status === 'created' || record.confirmed || record.status.state !== 'Failed';
  return known ? wait : { kind: 'confirm' };
}

/**
 * A container that takes connections is stopped when it gets no more of them, or none has said so in time. What does not
 * run yet, or is on no network, gets none.
 */
function leave({ task, record, hasLeft, now }: TaskView): Step {
  const isKnown = record.status.state === 'Running' && (task?.spec.networks ?? []).length > 0;
  if (!isKnown || hasLeft === true) return { kind: 'stop' };
  if (record.leavingAt === undefined) return { kind: 'leave' };
  const leftMs = record.leavingAt + leaveWithinMs - now;
  // More than there ever is: the clock was set back since.
  return leftMs > 0 && leftMs <= leaveWithinMs ? { kind: 'wait', until: now + leftMs } : { kind: 'stop' };
}

function shutDown(view: TaskView): Step {
  const { container, record } = view;
  if (container === 'unknown' || container === 'missing')
    return report({ ...record.status, state: 'Shutdown', reason: 'Shutdown', message: 'never started' });
  return container.status === 'running' ? leave(view) : report(finished(container, record, 'Shutdown'));
}

function prepare({ record, hasRevision, now }: TaskView, task: Task): Step {
  if (isBefore(record.status.state, 'Accepted')) return advance(record, 'Accepted');
  const retryInMs = (record.retry?.at ?? now) - now;
  // Further away than any pause: the clock was set back since, and the pause is over for all we know.
  if (retryInMs > 0 && retryInMs <= pullRetry.maxMs) return { kind: 'wait', until: now + retryInMs };
  // A task comes with its revision; without one there is nothing to run yet.
  if (!hasRevision) return wait;
  if (task.spec.nodeName === undefined) return wait;
  if (!isBefore(record.status.state, 'Preparing')) return { kind: 'prepare' };
  // Not even made before: what its predecessor failed at may be the making, and that is what the pause is for.
  const start = startOf(task, record, now);
  return start > now ? { kind: 'wait', until: start } : advance(record, 'Preparing');
}

function launch({ record }: TaskView, task: Task, container: ContainerState): Step {
  if (isBefore(record.status.state, 'Ready')) {
    const { id: containerID, addresses } = container;
    // Other nodes are to know the way to it before it asks for one.
    return advance(record, 'Ready', { containerID, ...(addresses.length === 0 ? {} : { addresses }) });
  }
  if (task.spec.desiredState !== 'Running') return wait;
  if (isBefore(record.status.state, 'Starting'))
    return advance(record, 'Starting', { containerID: container.id });
  return { kind: 'start' };
}

function run(record: TaskRecord, container: ContainerState): Step {
  if (container.health === 'unhealthy')
    return { kind: 'fail', reason: 'Unhealthy', message: unhealthy(container) };
  if (container.health === 'starting' && isBefore(record.status.state, 'Running')) {
    const message = 'waiting for the health check';
    return record.status.state === 'Starting' && record.status.message === message
      ? wait
      : advance(record, 'Starting', { containerID: container.id, message });
  }
  // Started again by this node alone: its addresses may be others.
  const isAnother = record.alone !== undefined && container.startedAt !== record.status.startedAt;
  return isAnother || isBefore(record.status.state, 'Running') ? report(running(container, record)) : wait;
}

function unhealthy({ healthMessage }: ContainerState): string {
  return `the health check failed${healthMessage === undefined ? '' : `: ${healthMessage}`}`;
}

/** Clocks that are no further apart than a task takes to come here count as one. */
const sameClockMs = 5_000;

/**
 * When a task that is Accepted may be made, by this node's clock. What the server says is by its own clock: when that
 * is another time than ours, the pause that it meant counts from when the task came here. When our own was set back
 * since, nobody knows how long that is ago: it waits no more.
 */
function startOf({ spec, metadata }: Task, { status }: TaskRecord, now: number): number {
  if (spec.notBefore === undefined) return 0;
  const [start, madeAt] = [Date.parse(spec.notBefore), Date.parse(metadata.creationTimestamp ?? '')];
  const cameAt = Date.parse(status.since ?? '');
  if (cameAt - now > sameClockMs) return 0;
  const isSameClock = !(Math.abs(cameAt - madeAt) > sameClockMs); // or it is not known
  return isSameClock ? start : cameAt + Math.max(0, start - madeAt);
}

const report = (status: TaskStatus): Step => ({ kind: 'report', status });

/** The next state; what an earlier one said of its trouble is over. */
function advance(record: TaskRecord, state: TaskState, more: Partial<TaskStatus> = {}): Step {
  const { reason: _reason, message: _message, ...rest } = record.status;
  return report({ ...rest, state, ...more });
}
