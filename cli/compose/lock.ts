import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CliError } from '../errors.ts';

/** Start time of a process in clock ticks since boot: with the pid, it names one process for ever. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

/**
 * Makes this process the only one on the data directory; returns how to give it up. What a killed process left
 * behind is recognised and replaced. Throws when another live process has it.
 */
export function lockDataDir(dataDir: string, role: string): () => void {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const path = join(dataDir, `${role}.pid`);
  const mine = `${process.pid} ${startTimeOf(process.pid) ?? ''}\n`;
  for (let tries = 0; ; tries++) {
    try {
      writeFileSync(path, mine, { flag: 'wx', mode: 0o600 });
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || tries > 2) throw error;
    }
    const [pid = '', started = ''] = readLock(path).trim().split(' ');
    if (started !== '' && startTimeOf(Number(pid)) === started) {
      throw new CliError(
        `another orc (process ${pid}) already runs on ${dataDir}: stop it first, or choose another --data-dir`,
      );
    }
    rmSync(path, { force: true });
  }
}

function readLock(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
