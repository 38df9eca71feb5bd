import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import type { Client } from '../../client/index.ts';
import { isApiError, messageOf } from '../../kit/errors.ts';
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
    const answer = await client.transport
      .request({
        method: 'POST',
        path: '/cluster/v1/backup',
        body: JSON.stringify({ passphrase, staleOk }),
        headers: { 'content-type': 'application/json' },
        streaming: true,
        timeoutMs: 60_000,
        signal,
      })
      .catch((error: unknown) => {
        throw refusal(error, file);
      });
    const handle = await open(part, 'w', 0o600);
    let bytes = 0;
    try {
      for await (const piece of pieces(answer, signal)) {
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

/** Without a quorum there is a way that an answer of the server's cannot know of. */
const refusal = (error: unknown, file: string): unknown =>
  isApiError(error, 'NoQuorum')
    ? new CliError(
        'there is no quorum: too few managers run and reach each other to say what the newest state is, so no backup was made',
        {
          remedy: `start the managers that are down, and try again; or take what one manager has, which may lack what was written last: \`orc cluster backup ${file} --stale\``,
          cause: error,
        },
      )
    : error;

/** Throws CliError when the connection breaks: Node's own word for it is `aborted`. */
async function* pieces(answer: AsyncIterable<unknown>, signal: AbortSignal): AsyncGenerator<Buffer, void> {
  try {
    for await (const piece of answer) yield piece as Buffer;
  } catch (error) {
    if (signal.aborted) throw error;
    throw new CliError('the backup broke off before its end: nothing was kept', {
      remedy: 'try again; `orc cluster status` says how the managers are, and the log of the one asked why',
      cause: error,
    });
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
