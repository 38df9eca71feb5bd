import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { Client } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';
import { unseal } from '../../kit/sealed.ts';
import { CliError } from '../errors.ts';

export interface BackupOptions {
  readonly file: string;
  readonly passphrase: string;
  /** Take what one manager has, when the majority is lost. */
  readonly staleOk: boolean;
  readonly signal: AbortSignal;
}

/** Writes a backup, opens it again to its end, and only then puts it at its place. Returns its size in bytes. */
export async function writeBackup(
  client: Client,
  { file, passphrase, staleOk, signal }: BackupOptions,
): Promise<number> {
  const part = `${file}.part`;
  try {
    const answer = await client.transport.request({
      method: 'POST',
      path: '/cluster/v1/backup',
      body: JSON.stringify({ passphrase, staleOk }),
      headers: { 'content-type': 'application/json' },
      streaming: true,
      timeoutMs: 60_000,
      signal,
    });
    const handle = await open(part, 'w', 0o600);
    let bytes = 0;
    try {
      for await (const piece of answer as AsyncIterable<Buffer>) {
        await handle.write(piece);
        bytes += piece.length;
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await check(part, passphrase);
    await rename(part, file);
    return bytes;
  } finally {
    await rm(part, { force: true });
  }
}

async function check(file: string, passphrase: string): Promise<void> {
  try {
    for await (const _piece of unseal(createReadStream(file), passphrase));
  } catch (error) {
    throw new CliError(`the backup came incomplete (${messageOf(error)}): nothing was kept, try again`, {
      cause: error,
    });
  }
}
