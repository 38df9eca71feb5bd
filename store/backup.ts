import type { Clock } from '../kit/clock.ts';
import { systemClock, timestamp } from '../kit/clock.ts';
import {
  BackupEncoder,
  BackupError,
  readBackup,
  type BackupEntry,
  type BackupSummary,
} from './backup-format.ts';
import type { Connection } from './connection.ts';
import { failureOf, storeUnavailable } from './errors.ts';
import { nextPage } from './list.ts';

/** All that orc keeps in etcd: what is in a backup. */
export const backupPrefix = '/orc/';
const backupEnd = '/orc0';

export interface BackupOptions {
  readonly connection: Pick<Connection, 'call'>;
  readonly clock?: Clock;
  /**
   * Reads what our own member has, without asking the others: the last resort, when the majority is lost. It may
   * lack what was written last.
   */
  readonly staleOk?: boolean;
}

interface RangeAnswer {
  readonly header: { readonly cluster_id: string; readonly revision: string };
  readonly kvs: readonly { readonly key: Buffer; readonly value: Buffer; readonly lease: string }[];
  readonly more: boolean;
}

const firstPage = 256;
const pageTimeoutMs = 10_000;

/**
 * All of the store at one revision, as `backup-format.ts` has it, while it is used. Keys on a lease (leaders, living
 * servers) are left out: whoever held them is not there after a restore. Throws ApiError 503 when etcd cannot be
 * read, and nothing that came before is of use then.
 */
export async function* backup({
  connection,
  clock = systemClock,
  staleOk = false,
}: BackupOptions): AsyncGenerator<Buffer, void> {
  const encoder = new BackupEncoder();
  let revision: string | undefined;
  let limit = firstPage;
  for (let key = Buffer.from(backupPrefix); ;) {
    const request = {
      key,
      range_end: Buffer.from(backupEnd),
      limit,
      revision: revision ?? 0,
      serializable: staleOk,
    };
    const page = await readPage(connection, request);
    if (page === undefined) {
      limit = Math.max(1, limit >> 2);
      continue;
    }
    if (revision === undefined) {
      revision = page.header.revision;
      yield encoder.header({
        clusterId: page.header.cluster_id,
        revision: Number(revision),
        createdAt: timestamp(clock),
      });
    }
    const kept: readonly BackupEntry[] = page.kvs.filter(({ lease }) => lease === '0');
    if (kept.length > 0) yield encoder.entries(kept);
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) break;
    key = Buffer.concat([last.key, Buffer.from([0])]);
    limit = nextPage(
      page.kvs.length,
      page.kvs.reduce((sum, kv) => sum + kv.key.length + kv.value.length, 0),
    );
  }
  yield encoder.end();
}

/** Undefined: the page is more than a message holds. */
async function readPage(
  connection: Pick<Connection, 'call'>,
  request: { readonly limit: number; readonly serializable: boolean },
): Promise<RangeAnswer | undefined> {
  try {
    return await connection.call<RangeAnswer>('KV', 'range', request, pageTimeoutMs, {
      requireLeader: !request.serializable,
    });
  } catch (error) {
    const failure = failureOf(error);
    if (failure === 'tooLarge' && request.limit > 1) return undefined;
    throw storeUnavailable(
      failure === 'compacted'
        ? 'the backup took so long that its revision is gone; try again'
        : 'no backup was made',
      error,
    );
  }
}

/** Reads a backup to its end: resolves when it is whole and undamaged. Throws BackupError. */
export async function verifyBackup(source: AsyncIterable<Uint8Array>): Promise<BackupSummary> {
  let summary: BackupSummary | undefined;
  for await (const record of readBackup(source)) if (record.kind === 'end') ({ summary } = record);
  if (summary === undefined) throw new BackupError('The backup is empty');
  return summary;
}
