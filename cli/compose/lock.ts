/** One process at a time on a data directory, also when several start at once on what a killed one left behind. */
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { makeDirectory } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';
import { startTimeOf } from '../../kit/process.ts';
import { CliError } from '../errors.ts';

/** Who takes the lock, and how it tells whether others that have it still live. */
export interface Taker {
  /** Names one process for ever. */
  readonly id: string;
  isAlive(id: string): boolean;
}

const thisProcess = (): Taker => ({
  id: `${String(process.pid)} ${startTimeOf(process.pid) ?? ''}`,
  isAlive(id) {
    const [pid = '', started = ''] = id.split(' ');
    return started !== '' && startTimeOf(Number(pid)) === started;
  },
});

/**
 * Makes this process the only one on the data directory; resolves with how to give it up. What a killed process
 * left behind is recognised and replaced. Throws when another live process has it, or the directory cannot be made.
 */
export async function lockDataDir(
  dataDir: string,
  role: string,
  taker: Taker = thisProcess(),
): Promise<() => Promise<void>> {
  await makeDirectory(dataDir).catch((error: unknown) => {
    throw new CliError(`--data-dir ${dataDir} cannot be made: ${messageOf(error)}`, {
      remedy: 'choose a directory on a disk, whose parent this user may write to',
      cause: error,
    });
  });
  const path = join(dataDir, `${role}.pid`);
  const holder = await take(path, taker);
  if (holder !== undefined) {
    const [pid = ''] = holder.split(' ');
    throw new CliError(
      `another orc (process ${pid}) already runs on ${dataDir}: stop it first, or choose another --data-dir`,
    );
  }
  return () => rm(path, { force: true });
}

/**
 * Takes the lock file, or resolves with the live process that has it.
 *
 * The file comes to be whole, by `link`, and only if there is none. A dead holder is replaced only by who has the
 * lock on replacing that very holder, and only if it is still the holder then: so of several that saw it dead, one
 * replaces it, and the others find that one. That second lock is taken by the same rules, should its holder die too.
 */
async function take(path: string, taker: Taker): Promise<string | undefined> {
  const mine = `${path}.${randomUUID()}`;
  await writeFile(mine, `${taker.id}\n`, { flag: 'wx', mode: 0o600 });
  try {
    for (;;) {
      if (await linked(mine, path)) return undefined;
      const holder = await holderOf(path);
      if (holder === undefined) continue;
      if (taker.isAlive(holder)) return holder;
      const right = `${path}.after-${holder.replace(/\W/g, '-')}`;
      const replacing = await take(right, taker);
      if (replacing !== undefined) return replacing;
      try {
        if ((await holderOf(path)) !== holder) continue;
        await rename(mine, path);
        return undefined;
      } finally {
        await rm(right, { force: true });
      }
    }
  } finally {
    await rm(mine, { force: true });
  }
}

const linked = (from: string, to: string): Promise<boolean> =>
  link(from, to).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );

const holderOf = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    },
  );
