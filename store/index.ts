/** The door of the store: what other rooms may use. See `README.md`. */
export * from './types.ts';
export { keyOf, refOf, refOfKey, registryPrefix, type Ref } from './keys.ts';
export { openStore, type OpenOptions, type Store, type StoreHealth, type StoreMetrics } from './open.ts';
export { sameJson } from './object.ts';
export type { Writer, WriterCounters } from './writer.ts';
export type { CampaignOptions, Leadership } from './election.ts';
export type { HeldLease, HoldLeaseOptions } from './held-lease.ts';
export {
  superviseEtcd,
  type EtcdSupervisor,
  type SupervisorHealth,
  type SupervisorOptions,
} from './supervisor.ts';
export { endLeftOver } from './etcd-process.ts';
export type { Bootstrap, EtcdTls, MemberOptions } from './etcd-args.ts';
export {
  listMembers,
  memberStatus,
  type Member,
  type MemberCalls,
  type MemberStatus,
} from './member-status.ts';
export {
  addLearner,
  announcePeerUrl,
  initialClusterOf,
  moveLeader,
  promote,
  removeMember,
  updatePeerUrls,
  type Added,
  type AddRefused,
  type Promoted,
  type Removed,
} from './members.ts';
export { backup, verifyBackup, type BackupOptions } from './backup.ts';
export { BackupError, type BackupHeader, type BackupSummary } from './backup-format.ts';
export { restoreEtcd, type RestoreOptions } from './restore.ts';
