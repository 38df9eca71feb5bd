// One demo per folder. The lock names its holder by pid and start time, which is one process for ever: what a killed
// demo left is told from a demo that runs.
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** Start time of a process in clock ticks since boot; undefined when there is none. */
function startTimeOf(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function read(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // gone, or cut short by a crash
  }
}

const isAlive = (holder) => holder?.startTime !== undefined && startTimeOf(holder.pid) === holder.startTime;

/**
 * Takes the lock, also from a holder that is gone. Returns `{ holder }` when a live process has it, else
 * `{ tell, release }`: `tell` adds to what others read of this process.
 */
export function takeLock(path) {
  mkdirSync(dirname(path), { recursive: true });
  const own = `${path}.${process.pid}`;
  let mine = {
    pid: process.pid,
    startTime: startTimeOf(process.pid),
    since: new Date().toTimeString().slice(0, 5),
  };
  const tell = (more) => {
    mine = { ...mine, ...more };
    writeFileSync(own, JSON.stringify(mine), { mode: 0o600 });
    renameSync(own, path);
  };
  writeFileSync(own, JSON.stringify(mine), { mode: 0o600 });
  try {
    for (;;) {
      try {
        linkSync(own, path); // whole or not at all, and only if there is none
        return { tell, release: () => rmSync(path, { force: true }) };
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
      const holder = read(path);
      if (isAlive(holder)) return { holder };
      putAside(path, `${own}.stale`);
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/** Two starters may find the same stale lock: what was moved is looked at again, and goes back if it is a live one's. */
function putAside(path, aside) {
  try {
    renameSync(path, aside);
    if (isAlive(read(aside))) linkSync(aside, path);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  }
  rmSync(aside, { force: true });
}
