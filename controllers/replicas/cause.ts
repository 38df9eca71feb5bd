import { formatDuration, type Node, type Task } from '../../api-schemas/index.ts';
import { findCondition } from '../runtime/conditions.ts';
import { notReadyReason } from '../runtime/nodes.ts';
import { byRun, isFinished, isLive, isOnLostNode, isRunning, runOf, stateOf } from '../runtime/tasks.ts';

export interface Cause {
  readonly reason: string;
  readonly message: string;
}

/** Says in words why a slot does not serve, from its tasks; undefined when nothing is known to be wrong. */
export function causeOfSlot(tasks: readonly Task[], nodes: ReadonlyMap<string, Node>): Cause | undefined {
  const sorted = tasks.toSorted(byRun);
  const task = sorted.findLast(isLive) ?? sorted.at(-1);
  if (task === undefined) return undefined;
  const failed = sorted.findLast((other) => isFinished(other) && other.spec.desiredState !== 'Shutdown');

  if (failed !== undefined && isFinished(task)) {
    return { reason: failed.status?.reason ?? stateOf(failed), message: endOf(failed) };
  }
  const scheduled = findCondition(task.status?.conditions, 'Scheduled');
  if (scheduled?.status === 'False') {
    return { reason: scheduled.reason, message: `${nameOf(task)}: ${scheduled.message}` };
  }
  const node = task.spec.nodeName === undefined ? undefined : nodes.get(task.spec.nodeName);
  if (isOnLostNode(task, nodes)) {
    const why = node === undefined ? 'which no longer exists' : notReadyReason(node);
    return { reason: 'NodeLost', message: `${nameOf(task)}: on node ${task.spec.nodeName ?? ''}: ${why}` };
  }
  if (task.status?.reason !== undefined && !isRunning(task)) {
    return { reason: task.status.reason, message: `${nameOf(task)}: ${reasonOf(task)}` };
  }
  if (failed !== undefined && (task.spec.restarts ?? 0) > 0 && runOf(failed) === runOf(task) - 1) {
    return { reason: failed.status?.reason ?? 'Restarting', message: restartOf(failed, task) };
  }
  return { reason: stateOf(task), message: `${nameOf(task)} is ${stateOf(task)}` };
}

const nameOf = (task: Task): string => `task ${task.metadata.name}`;

function reasonOf({ status }: Task): string {
  const { reason = '', message = '' } = status ?? {};
  return message === '' ? reason : `${reason}: ${message}`;
}

function endOf(task: Task): string {
  const { status } = task;
  if (status?.exitCode !== undefined) {
    return `${nameOf(task)} exited ${status.exitCode}${tail(status.message)}`;
  }
  const why = reasonOf(task);
  return `${nameOf(task)} ${stateOf(task) === 'Complete' ? 'completed' : `ended (${stateOf(task)})`}${tail(why)}`;
}

/** `task web-1-x exited 1 (3rd restart, next in 8s): last message` */
function restartOf(failed: Task, next: Task): string {
  const { status } = failed;
  const count = next.spec.restarts ?? 0;
  const wait = Date.parse(next.spec.notBefore ?? '') - Date.parse(next.metadata.creationTimestamp ?? '');
  // It was made a little after that was decided: tenths of a second are as it was meant.
  const when = Number.isNaN(wait) ? 'now' : `in ${formatDuration(Math.ceil(wait / 100) * 100)}`;
  // A task that was stopped for another reason has an exit code, too; it is not why.
  const isExit = status?.exitCode !== undefined && (status.reason ?? 'NonZeroExit') === 'NonZeroExit';
  const how = isExit ? `exited ${status.exitCode}` : `ended (${status?.reason ?? stateOf(failed)})`;
  return `${nameOf(failed)} ${how} (${ordinal(count)} restart, next ${when})${tail(status?.message)}`;
}

const tail = (text: string | undefined): string => (text === undefined || text === '' ? '' : `: ${text}`);

export function ordinal(n: number): string {
  const teens = n % 100 >= 11 && n % 100 <= 13;
  const suffix = teens ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th');
  return `${n}${suffix}`;
}
