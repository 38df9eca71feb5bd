/** What the commands that run this machine hand on. */
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { Io } from '../io.ts';
import type { ManagerOptions } from './manager-options.ts';
import type { WorkerOptions } from './worker.ts';

export type AgentPart = Pick<WorkerOptions, 'runtime' | 'dockerHost'>;

export interface RunContext {
  readonly io: Io;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type EtcdFlags = Pick<
  ManagerOptions,
  'etcdEndpoints' | 'etcdCaFile' | 'etcdCertFile' | 'etcdKeyFile' | 'controllers'
>;

export interface NodeFlags extends EtcdFlags, AgentPart {
  readonly dataDir: string;
  /** Where the API is to listen, and to be reached, from now on; absent: as the file says. */
  readonly listen?: string | undefined;
  readonly advertise?: string | undefined;
}
