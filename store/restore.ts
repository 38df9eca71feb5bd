import { existsSync, renameSync, rmSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { systemClock } from '../kit/clock.ts';
import { verifyBackup } from './backup.ts';
import { BackupError, readBackup, type BackupEntry, type BackupSummary } from './backup-format.ts';
import { Connection } from './connection.ts';
import type { MemberOptions } from './etcd-args.ts';
import { syncDirectory } from './etcd-data.ts';
import { endLeftOver } from './etcd-process.ts';
import { tlsFiles } from './etcd-tls.ts';
import { superviseEtcd, type SupervisorOptions } from './supervisor.ts';

export interface RestoreOptions extends Omit<SupervisorOptions, 'member' | 'args'> {
  /** Where `superviseEtcd` will find the data. It must not exist: nothing is ever overwritten. */
  readonly dataDir: string;
  /** The only member of the new cluster. Absent: an etcd alone. */
  readonly member?: Omit<MemberOptions, 'bootstrap'>;
  /** Opens the backup. It is read twice: to its end, and when that shows that it is whole, once more. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

/** Well below etcd's limits for one transaction. */
const batchBytes = 512 * 1024;
const batchKeys = 100;
const putTimeoutMs = 30_000;

/**
 * Makes the data directory of a new etcd cluster of one member from a backup. It is made beside, and is at its
 * place when it is whole: a restore that was cut short is started again, and does not look like one that was not.
 * Throws BackupError for a backup that is not whole, before anything is made.
 */
export async function restoreEtcd(options: RestoreOptions): Promise<BackupSummary> {
  const { open, member, dataDir: given, ...rest } = options;
  const dataDir = resolve(given);
  if (existsSync(dataDir))
    throw new BackupError(
      `There is a store in ${dataDir} already: move it away first, it is not overwritten`,
    );
  const summary = await verifyBackup(open());
  const unfinished = `${dataDir}.restoring`;
  await endLeftOver(unfinished, rest.clock ?? systemClock);
  rmSync(unfinished, { recursive: true, force: true });
  const etcd = await superviseEtcd({
    ...rest,
    dataDir: unfinished,
    ...(member === undefined ? {} : { member: { ...member, bootstrap: { kind: 'new' } } }),
  });
  try {
    const connection = new Connection({ endpoints: etcd.endpoints, ...tlsFiles(rest.tls) });
    try {
      await putAll(connection, open(), summary);
    } finally {
      connection.close();
    }
  } finally {
    await etcd.stop();
  }
  renameSync(unfinished, dataDir);
  syncDirectory(dirname(dataDir));
  return summary;
}

async function putAll(
  connection: Connection,
  source: AsyncIterable<Uint8Array>,
  { sha256 }: BackupSummary,
): Promise<void> {
  let batch: BackupEntry[] = [];
  let bytes = 0;
  const put = async (): Promise<void> => {
    if (batch.length === 0) return;
    const success = batch.map(({ key, value }) => ({ request_put: { key, value } }));
    await connection.call('KV', 'txn', { success }, putTimeoutMs);
    batch = [];
    bytes = 0;
  };
  for await (const record of readBackup(source)) {
    if (record.kind === 'end' && record.summary.sha256 !== sha256)
      throw new BackupError('The backup changed while it was restored: start again');
    if (record.kind !== 'entry') continue;
    const { key, value } = record.entry;
    if (batch.length === batchKeys || bytes + key.length + value.length > batchBytes) await put();
    batch.push(record.entry);
    bytes += key.length + value.length;
  }
  await put();
}
