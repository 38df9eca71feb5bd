import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { ManagerFile } from './cluster-file.ts';
import type { Listen } from './flags.ts';

/** What a manager of a cluster knows from its file. */
export interface MemberPart {
  readonly file: ManagerFile;
  /** `https://host:port` of managers. */
  readonly servers: readonly string[];
  save(file: ManagerFile): Promise<void>;
}

export interface ManagerOptions {
  readonly dataDir: string;
  readonly listen: Listen;
  readonly nodeName: string;
  readonly etcdEndpoints?: readonly string[] | undefined;
  readonly etcdCaFile?: string | undefined;
  readonly etcdCertFile?: string | undefined;
  readonly etcdKeyFile?: string | undefined;
  readonly controllers?: readonly string[] | undefined;
  /** Absent: a machine alone. */
  readonly member?: MemberPart;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** For the wait for an etcd of the user's. Default: the system's. */
  readonly clock?: Clock;
  /** Told now and then what the start waits for. */
  onWait(message: string): void;
}
