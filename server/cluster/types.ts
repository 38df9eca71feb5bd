import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { Registry } from '../../store/types.ts';
import type { Ca } from './token.ts';

/** An etcd member, by name of its manager. */
export interface Member {
  readonly id: string;
  /** Empty until the member has started for the first time. */
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly isLearner: boolean;
}

/** The etcd cluster's membership; asked of this server's own member. */
export interface Members {
  list(): Promise<readonly Member[]>;
  /** Adds it as a learner, or finds it when it was added before. Returns all members, it among them. */
  add(peerURL: string): Promise<readonly Member[]>;
  /** Makes a learner a voter; a text says why it cannot be one yet. */
  promote(id: string): Promise<string | undefined>;
  remove(id: string): Promise<void>;
}

export interface ClusterOptions {
  readonly registry: Registry;
  /** Of this manager. */
  readonly nodeName: string;
  /** The CA as it is now. */
  readonly ca: () => Ca;
  /** Undefined with an etcd that is not ours. */
  readonly members?: Members;
  readonly clock: Clock;
  readonly logger: Logger;
}
