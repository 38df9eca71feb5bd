// Ends what a test run or a demo left behind: processes that carry its mark in their environment, then the mounts below
// its folder. A process is only ever ended by its mark, never by its name, nor for a file that it has open: a shell or
// an editor that somebody started to look at the folder stays.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** Pids of live processes whose `ORC_TEST_RUN` is the folder or one below it, ourselves and our ancestors left out. */
export function markedProcesses(dir) {
  const own = new Set(ancestors());
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && !own.has(name))
    .filter((pid) => isMarked(read(`/proc/${pid}/environ`), dir))
    .map(Number);
}

const isMarked = (environ, dir) =>
  `\0${environ}\0`.includes(`\0ORC_TEST_RUN=${dir}\0`) || `\0${environ}`.includes(`\0ORC_TEST_RUN=${dir}/`);

function ancestors() {
  const line = [];
  for (
    let pid = String(process.pid);
    pid !== '0' && pid !== '';
    pid = /^PPid:\t(\d+)$/m.exec(read(`/proc/${pid}/status`))?.[1] ?? ''
  ) {
    line.push(pid);
  }
  return line;
}

function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

/** Ends the marked processes (SIGTERM, then SIGKILL after 3 s), unmounts below the folder; returns what it found. */
export function sweep(dir) {
  const found = markedProcesses(dir).map(
    (pid) => `ended ${pid}: ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').slice(0, 120)}`,
  );
  for (const [signal, rounds] of [
    ['SIGTERM', 30],
    ['SIGKILL', 30],
  ]) {
    for (const pid of markedProcesses(dir)) kill(pid, signal);
    for (let i = 0; i < rounds && markedProcesses(dir).length > 0; i++) pause(100);
  }
  const mounts = read('/proc/self/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${dir}/`))
    .reverse();
  for (const path of mounts) {
    found.push(`unmounted ${path}`);
    spawnSync('umount', ['-l', path]);
  }
  return found;
}

function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
