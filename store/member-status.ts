/** What our own etcd member knows of itself and of the others; all of it works without a quorum. */
import type { EtcdMember, EtcdStatus } from '../api-schemas/cluster-api.ts';
import type { Connection } from './connection.ts';
import { storeUnavailable } from './errors.ts';

export type MemberCalls = Pick<Connection, 'call'>;

export type Member = EtcdMember;
export type MemberStatus = EtcdStatus;

/** As etcd writes it. */
export interface RawMember {
  readonly ID: string;
  readonly name: string;
  readonly peerURLs: readonly string[];
  readonly isLearner: boolean;
}
export interface RawMembers {
  readonly members: readonly RawMember[];
}
interface RawStatus {
  readonly header: { readonly member_id: string };
  readonly leader: string;
  readonly isLearner: boolean;
  readonly raftTerm: string;
  readonly raftIndex: string;
  readonly raftAppliedIndex: string;
  readonly dbSize: string;
  readonly dbSizeInUse: string;
  readonly version: string;
  /** Alarms of all members, and what is wrong with this one. */
  readonly errors: readonly string[];
}

export const memberOf = ({ ID, name, peerURLs, isLearner }: RawMember): Member => ({
  id: ID,
  name,
  peerUrls: peerURLs,
  isLearner,
  isStarted: name !== '',
});

/** All members as ours knows them; works without a quorum, and is then what was true before. */
export async function listMembers(connection: MemberCalls): Promise<readonly Member[]> {
  const { members } = await call<RawMembers>(connection, 'memberList', { linearizable: false });
  return members.map(memberOf);
}

/** Of `memberID:10 alarm:NOSPACE `. etcd's own question for alarms needs a quorum. */
function alarmOf(error: string): MemberStatus['alarms'] {
  const [, memberId, alarm] = /memberID:(\d+) alarm:(\w+)/.exec(error) ?? [];
  if (memberId === undefined) return [];
  return [{ memberId, kind: alarm === 'NOSPACE' ? 'full' : 'corrupt' }];
}

/** How our own member is; works without a quorum. Others say how they are on their own machines. */
export async function memberStatus(connection: MemberCalls): Promise<MemberStatus> {
  const status = await call<RawStatus>(connection, 'status', {}, 'Maintenance');
  const id = status.header.member_id;
  return {
    id,
    isLeader: status.leader === id,
    isLearner: status.isLearner,
    leaderId: status.leader === '0' ? undefined : status.leader,
    raftTerm: Number(status.raftTerm),
    raftIndex: Number(status.raftIndex),
    appliedIndex: Number(status.raftAppliedIndex),
    dbBytes: Number(status.dbSize),
    dbInUseBytes: Number(status.dbSizeInUse),
    alarms: status.errors.flatMap(alarmOf),
    version: status.version,
  };
}

async function call<R>(
  connection: MemberCalls,
  method: string,
  request: object,
  service: 'Cluster' | 'Maintenance' = 'Cluster',
): Promise<R> {
  try {
    return await connection.call<R>(service, method, request);
  } catch (error) {
    throw storeUnavailable('its members are not known', error);
  }
}
