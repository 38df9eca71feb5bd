import type { Revision, Task, TaskStatus } from '../../api-schemas/index.ts';
import type { ContainerState } from '../runtime/types.ts';
import { furthest, type TaskRecord } from './record.ts';
import type { TaskView } from './plan.ts';

/** One task of the node while the agent runs: what is wanted, what is there, and the work on it. */
export interface Entry {
  readonly uid: string;
  /** Absent once the task is not assigned here any more, or never was. */
  task: Task | undefined;
  revision: Revision | undefined;
  record: TaskRecord;
  /** As last seen; null: the engine says there is none; undefined: not seen yet. */
  container: ContainerState | null | undefined;
  /** The container may have changed since it was seen. */
  stale: boolean;
  /** The engine ended it without our asking, or while it was away from us. */
  endedOutside: boolean;
  /** No node sends connections to it any more. */
  hasLeft: boolean;
  /** A worker is on it; `again` asks it for another round. */
  busy: boolean;
  again: boolean;
  /** Ends a pull or create that is not wanted any more. */
  abort: AbortController | undefined;
  cancelTimer: (() => void) | undefined;
}

export function newEntry(uid: string, record: TaskRecord): Entry {
  return {
    uid,
    task: undefined,
    revision: undefined,
    record,
    container: undefined,
    stale: false,
    endedOutside: false,
    hasLeft: false,
    busy: false,
    again: false,
    abort: undefined,
    cancelTimer: undefined,
  };
}

/** What the agent starts from for a task: its own memory, or the server's when that is further on. */
export function startingRecord(task: Task, remembered: TaskRecord | undefined): TaskRecord {
  const own = remembered?.status ?? task.status ?? { state: 'Assigned' };
  const status: TaskStatus = furthest(own, task.status);
  const containerID = remembered?.containerID ?? task.status?.containerID;
  return { ...remembered, status, ...(containerID === undefined ? {} : { containerID }) };
}

/** Takes a new look at the container. One that has ended stays ended, however late an older answer comes in. */
export function see(entry: Entry, seen: ContainerState | null): void {
  const before = entry.container;
  const older = before?.status === 'exited' && seen?.id === before.id && seen.status !== 'exited';
  if (older) return;
  entry.container = seen;
  if (seen !== null && entry.record.containerID !== seen.id)
    entry.record = { ...entry.record, containerID: seen.id };
}

export function viewOf(entry: Entry, now: number, outMs: number): TaskView {
  const { task, container, record } = entry;
  return {
    ...(task === undefined ? {} : { task }),
    hasRevision: entry.revision !== undefined,
    container:
      container ?? (container === undefined && record.containerID !== undefined ? 'unknown' : 'missing'),
    endedOutside: entry.endedOutside,
    hasLeft: entry.hasLeft,
    record,
    outMs,
    now,
  };
}

/** Whether the container is to run and to be kept running. */
export const isWanted = ({ task, record }: Entry): boolean =>
  task !== undefined &&
  task.metadata.deletionTimestamp === undefined &&
  task.spec.desiredState !== 'Shutdown' &&
  record.failing === undefined;

/** Whether connections may be sent to it. */
export const isServing = (entry: Entry): boolean =>
  isWanted(entry) && entry.record.status.state === 'Running' && entry.container?.status === 'running';

/** Whether the node ends it by itself when no server is reached for long. */
export const stopsAlone = ({ task }: Entry): boolean => task?.spec.stopOnClientAfter !== undefined;

/** As logs name it. */
export function objectName({ task, uid }: Entry): string {
  return task === undefined ? `Task/${uid}` : `Task/${task.metadata.namespace ?? ''}/${task.metadata.name}`;
}
