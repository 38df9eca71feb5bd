/** What the tasks of a node are given to work with, and tell. */
import type { Port, Task, TaskEvent, TaskReport } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { ContainerState, Runtime, RuntimeError } from '../runtime/types.ts';
import type { CheckpointFile } from './checkpoint.ts';
import type { Reach } from './reach.ts';
import type { TaskNetworks } from './steps.ts';

export interface TasksOptions {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly networks: TaskNetworks & {
    /** Drops the networks that none of these tasks uses. */
    keep(tasks: readonly Task[]): void;
  };
  readonly report: (report: TaskReport) => void;
  readonly event: (event: TaskEvent) => void;
  /** Containers are, or are about to be, others. */
  readonly onContainers?: () => void;
  /** Which tasks serve may have changed. Resolves when connections follow. */
  readonly onServing: () => Promise<void>;
  readonly portHolder: (ports: readonly Port[]) => Promise<string | undefined>;
  /** The engine did not answer. */
  readonly onEngineDown: (error: RuntimeError) => void;
  /** `settled` is true from now on. */
  readonly onSettled?: () => void;
  readonly checkpoint?: CheckpointFile;
  /** For how long no server has been reached; tasks that ask for it are stopped then. */
  readonly reach?: Reach;
  /** Creates and starts at a time. */
  readonly maxStarts: number;
}

/** A task that takes connections. */
export interface Serving {
  readonly task: Task;
  readonly container: ContainerState;
}
