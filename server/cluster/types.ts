import type { ServerStatus } from '../../api-schemas/cluster-api.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { MemberCalls } from '../../store/index.ts';
import type { Registry } from '../../store/types.ts';
import type { Identity } from '../types.ts';
import type { Ca } from './token.ts';

export interface ClusterOptions {
  readonly registry: Registry;
  /** Of this manager. */
  readonly nodeName: string;
  /** The CA as it is now. */
  readonly ca: () => Ca;
  /** The CAs that are trusted, PEM, as they are now. Default: the one that issues. */
  readonly trust?: () => string;
  /** The CA that is to issue next, while it is replaced. */
  readonly next?: () => Ca | undefined;
  /** The cluster's identity on engines, for machines that join and for backups. */
  readonly clusterId?: string;
  /** Our etcd member; undefined with an etcd that is not ours. */
  readonly etcd?: MemberCalls;
  /** What the process around it knows of this server. */
  readonly self?: () => Pick<ServerStatus, 'version' | 'since' | 'sessions' | 'certificatesUntil'>;
  /** Life of a node's certificate. Default 90; as long as Swarm's. */
  readonly nodeDays?: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ClusterCall {
  readonly method: string;
  /** Below `/cluster/v1/`. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly identity: Identity;
  /** The address that it comes from, for the log. */
  readonly from?: string;
  /** The body as parsed JSON. */
  body(): Promise<unknown>;
}
