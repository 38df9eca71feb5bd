import { taskStates, type Node, type Task, type TaskState } from '../../api-schemas/index.ts';
import { isDeleting, annotation } from './names.ts';
import { isLost } from './nodes.ts';
import type { Policy } from './policy.ts';

export const stateOf = (task: Task): TaskState => task.status?.state ?? 'New';

const completeAt = taskStates.indexOf('Complete');

/** Whether the container has ended (or never will begin). */
export const isFinished = (task: Task): boolean => taskStates.indexOf(stateOf(task)) >= completeAt;

/** Whether it is meant to run: not finished, not told to stop, not being deleted. */
export const isLive = (task: Task): boolean =>
  task.spec.desiredState !== 'Shutdown' && !isDeleting(task) && !isFinished(task);

/** Whether it ended without having been told to, so that the restart policy has to say what comes next. */
export const endedByItself = (task: Task): boolean =>
  isFinished(task) && !isDeleting(task) && task.spec.desiredState !== 'Shutdown';

/** Ended well, and the restart policy wants no further one: its slot has done its work. */
export const isDone = (task: Task, { restart }: Pick<Policy, 'restart'>): boolean =>
  endedByItself(task) && stateOf(task) === 'Complete' && restart.condition !== 'any';

export const isRunning = (task: Task): boolean => stateOf(task) === 'Running';

/** Whether it serves: live, Running, not about to be stopped by its node (which says why), and that is not lost. */
export const isReady = (task: Task, nodes: ReadonlyMap<string, Node>): boolean =>
  isLive(task) && isRunning(task) && task.status?.reason === undefined && !isOnLostNode(task, nodes);

/** On a node that is lost or no longer exists. */
export function isOnLostNode(task: Task, nodes: ReadonlyMap<string, Node>): boolean {
  if (task.spec.nodeName === undefined) return false;
  const node = nodes.get(task.spec.nodeName);
  return node === undefined || isLost(node);
}

/** What it occupies in its service: its slot's number, or the node of a global service's task. */
export const slotOf = (task: Task): string =>
  task.spec.slot === undefined ? (task.spec.nodeName ?? '') : String(task.spec.slot);

/** Place in the sequence of its slot's tasks. */
export const runOf = (task: Task): number => Number(task.metadata.annotations?.[annotation.run] ?? 0);

/** Older first. */
export const byRun = (a: Task, b: Task): number => runOf(a) - runOf(b);
