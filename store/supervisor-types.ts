/** What an etcd that we look after is asked for, and what it says of itself. */
import type { Clock } from '../kit/clock.ts';
import type { Logger } from '../kit/log.ts';
import type { EtcdTls, MemberOptions } from './etcd-args.ts';

export interface SupervisorOptions {
  /** Made with mode 0700. Holds etcd's data, its log and what is needed to find a running one again. */
  readonly dataDir: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly tls?: EtcdTls;
  /** A member of a cluster of several machines. Absent: an etcd alone, that no other machine reaches. */
  readonly member?: MemberOptions;
  /** Gives up while it starts: a member answers only when a majority of them runs, however long that takes. */
  readonly signal?: AbortSignal;
  /** Default: `etcd` on the PATH. */
  readonly binary?: string;
  /** etcd's database is full at this size. Default 4 GiB. */
  readonly quotaBytes?: number;
  /** Default 10 MiB, and as much for the one before. */
  readonly maxLogBytes?: number;
  /** Further flags of etcd. */
  readonly args?: readonly string[];
}

export interface SupervisorHealth {
  /** `removed`: the others have removed this member for good; it is not started again, and its data is of no use. */
  readonly state: 'starting' | 'running' | 'backoff' | 'stopped' | 'removed';
  readonly pid: number | undefined;
  readonly version: string;
  /** Times it was started again after it had died. */
  readonly restarts: number;
  /** Why it is not running, or was not the last time. */
  readonly lastExit: string | undefined;
  /** The end of etcd's log. */
  readonly lastLog: readonly string[];
}

export interface EtcdSupervisor {
  readonly endpoints: readonly string[];
  /** It was still running when we came: an earlier process of ours had been killed. */
  readonly adopted: boolean;
  health(): SupervisorHealth;
  /** Why etcd does not run, or did not until a moment ago, and what to do; undefined while all is well. */
  trouble(): string | undefined;
  /**
   * The files that etcd is to go by. It is started again when others are named than it was started with, since it
   * reads whom to trust only then; `before` is called first. Resolves when it answers, rejects at the signal. Repeating it does nothing more.
   */
  useTls(tls: EtcdTls, signal: AbortSignal, before?: () => Promise<unknown>): Promise<void>;
  /** Ends etcd, with SIGKILL when it takes longer than 5 s. Idempotent. */
  stop(): Promise<void>;
}
