/** What servers answer below `/cluster/v1/`, besides joining (`join.ts`). Only admins may ask, unless it says else. */

export interface EtcdMember {
  readonly id: string;
  /** That of its node; empty until it has started once. */
  readonly name: string;
  readonly peerUrls: readonly string[];
  /** It has no vote yet. */
  readonly isLearner: boolean;
  /** It has been up once; not whether it is now. */
  readonly isStarted: boolean;
}

/**
 * Annotation of a Node: where its etcd was added. A member that has never started has no name, so that nothing else
 * says whose it is.
 */
export const peerAnnotation = 'orc.dev/etcd-peer';

/** `host:port` of a member, as people write it. */
export const peerAddressOf = ({ peerUrls, id }: EtcdMember): string =>
  peerUrls[0]?.replace(/^https?:\/\//, '') ?? id;

/**
 * The command that takes out of etcd what was added to it and does not come, or not again. One that has started may
 * be on its way still, so that it takes more than a name.
 */
export const removalOf = (member: EtcdMember, name = member.name): string =>
  `orc node rm ${name || peerAddressOf(member)}${member.isStarted && member.isLearner ? ' --force' : ''}`;

/** What one member knows of itself. */
export interface EtcdStatus {
  readonly id: string;
  readonly isLeader: boolean;
  readonly isLearner: boolean;
  /** Absent: it knows no leader, so there is no quorum for all it knows. */
  readonly leaderId?: string | undefined;
  readonly raftTerm: number;
  /** Last entry of the log that is committed, and the last that it has applied. */
  readonly raftIndex: number;
  readonly appliedIndex: number;
  readonly dbBytes: number;
  readonly dbInUseBytes: number;
  /** Of any member. */
  readonly alarms: readonly { readonly memberId: string; readonly kind: 'full' | 'corrupt' }[];
  readonly version: string;
}

/** `GET /cluster/v1/members`; 409 when the etcd is the user's own. */
export interface MembersAnswer {
  readonly members: readonly EtcdMember[];
  /** Of the server that was asked. */
  readonly own: EtcdStatus;
}

/**
 * `POST /cluster/v1/promote`, by a node with its own certificate: what a manager needs. 403 unless its Node says that
 * it is to be one.
 */
export interface PromoteAnswer {
  /** PEM certificates to trust. */
  readonly ca: string;
  /** The CA's private key. */
  readonly caKey: string;
  /** `https://host:port` of all managers. */
  readonly servers: readonly string[];
}

/** `GET /cluster/v1/next-ca?digest=…`, by another manager: a CA that is to issue next. 404 where it is not. */
export interface NextCaAnswer {
  /** PEM. */
  readonly ca: string;
  /** Its private key. */
  readonly caKey: string;
}

/** `POST /cluster/v1/role`, by a node with its own certificate: how its change of role goes. */
export interface RoleNote {
  /** Its role is what its Node says. */
  readonly applied: boolean;
  /** UpperCamel, e.g. `Promoting`. */
  readonly reason: string;
  readonly message: string;
}

/** Condition of a Node that changes its role, or has: `False` while it has not come to be what it should. */
export const roleCondition = 'RoleApplied';

/** Reason of the 403 that a node gets which was removed, or whose name belongs to another machine. */
export const nodeRefused = 'NodeRefused';

/** Characters of a backup's passphrase at least; what is shorter is guessed. */
export const leastPassphrase = 8;

/** `GET /cluster/v1/status`: what one server knows of itself. Answered within a second, also without a quorum. */
export interface ServerStatus {
  readonly name: string;
  /** Of orc. */
  readonly version: string;
  /** When it started. */
  readonly since: string;
  /** By its clock. */
  readonly now: string;
  /** Its reads are of now; false without a quorum, or when its etcd does not answer in time. */
  readonly isCurrent: boolean;
  /** How many agents have their session with it. */
  readonly sessions: number;
  readonly ca: { readonly digest: string; readonly notAfter: string };
  /** Of the cluster, as containers carry it; it stays when the CA is replaced. Absent of an older orc. */
  readonly clusterId?: string;
  /** End of the first of its certificates to end. They are renewed long before. */
  readonly certificatesUntil: string;
  /** Absent with an etcd of the user's, or with `etcdProblem`. */
  readonly etcd?: MembersAnswer;
  readonly etcdProblem?: string;
}
