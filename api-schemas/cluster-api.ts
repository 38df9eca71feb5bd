/** What servers answer below `/cluster/v1/`, besides joining (`join.ts`). Only admins may ask, unless it says else. */

export interface EtcdMember {
  readonly id: string;
  /** That of its node; empty until it has started once. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  /** It has no vote yet. */
  readonly isLearner: boolean;
  readonly isStarted: boolean;
}

/** What one member knows of itself. */
export interface EtcdStatus {
  readonly id: string;
  readonly isLeader: boolean;
  readonly isLearner: boolean;
  /** Absent: it knows no leader, so there is no quorum for all it knows. */
  readonly leaderId?: string | undefined;
  readonly raftTerm: number;
  readonly raftIndex: number;
  readonly appliedIndex: number;
  readonly dbBytes: number;
  readonly dbInUseBytes: number;
  readonly alarms: readonly { readonly memberId: string; readonly kind: 'full' | 'corrupt' }[];
  readonly version: string;
}

/** `GET /cluster/v1/members`; 409 when the etcd is the user's own. */
export interface MembersAnswer {
  readonly members: readonly EtcdMember[];
  /** Of the server that was asked. */
  readonly own: EtcdStatus;
}
