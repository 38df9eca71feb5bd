import { taskStates, type TaskState, type TaskStatus } from '../../api-schemas/index.ts';

/** What the agent remembers of a task beside the object and the container; kept in the checkpoint. */
export interface TaskRecord {
  /** As last reported, or as it came with the task. Its state only moves forward. */
  readonly status: TaskStatus;
  readonly containerID?: string;
  /** Decided while the container still runs: it is stopped first, then the task is Failed with this. */
  readonly failing?: { readonly reason: string; readonly message: string };
  /** Since when (ms since the epoch) it waits to have left everywhere before it is stopped. */
  readonly leavingAt?: number;
  /** Failed tries to prepare, and when (ms since the epoch) the next one is due. */
  readonly retry?: { readonly failures: number; readonly at: number };
  /** The engine was asked once more why the container ended. */
  readonly confirmed?: boolean;
  /** Times that the node started the container again by itself, as no server was reached. */
  readonly alone?: number;
  /** `gone` was reported. */
  readonly gone?: boolean;
}

/** The pauses between tries to pull an image. */
export const pullRetry = { baseMs: 1_000, maxMs: 60_000 };

/** Why a task has failed that its node stopped by itself, as no server was reached for too long. */
export const disconnected = 'Disconnected';

const rank = (state: TaskState): number => taskStates.indexOf(state);

export const isEnded = (state: TaskState): boolean => rank(state) >= rank('Complete');
export const isBefore = (state: TaskState, other: TaskState): boolean => rank(state) < rank(other);

/** The status that is further on; the first when they are equal. A finished one is never replaced. */
export function furthest(a: TaskStatus, b: TaskStatus | undefined): TaskStatus {
  if (b === undefined || isEnded(a.state)) return a;
  return isBefore(a.state, b.state) ? b : a;
}
