// What a lab leaves on the machine is its processes, all in one cgroup, that cgroup, and its folder: namespaces and
// their interfaces end with the last process. Plain JavaScript, so that the guard of a test's lab runs it, too.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** The lab's cgroup, relative to each root; made from the folder, so that it is found when the lab's state is lost. */
export const cgroupOf = (dir) => `orclab-${createHash('sha256').update(dir).digest('hex').slice(0, 8)}`;

/** Where cgroups are mounted: one tree with version 2, one for each set of controllers with version 1. */
export function cgroupRoots() {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '));
  const v2 = mounts.find(([, path, type]) => path === '/sys/fs/cgroup' && type === 'cgroup2');
  if (v2 !== undefined) return [v2[1]];
  return mounts.filter(([, path, type]) => type === 'cgroup' && path.startsWith('/sys/fs/cgroup/')).map(([, path]) => path); // prettier-ignore
}

/** The file of a cgroup that freezes it with all below it, and the words it takes. */
export function freezer(cgroup) {
  const [root = ''] = cgroupRoots();
  return root === '/sys/fs/cgroup'
    ? { folder: join(root, cgroup), name: 'cgroup.freeze', stop: '1', go: '0' }
    : { folder: join('/sys/fs/cgroup/freezer', cgroup), name: 'freezer.state', stop: 'FROZEN', go: 'THAWED' };
}

/** The folder and all below it, the deepest first. */
function below(folder) {
  try {
    const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...folders.flatMap(({ name }) => below(join(folder, name))), folder];
  } catch {
    return []; // not there, or no more
  }
}

const attempt = (action) => {
  try {
    return action();
  } catch {
    return undefined; // it went by itself, or is busy: the next round
  }
};

/** Pids of everything in the cgroup and below it, as the machine knows them. */
export function pidsIn(cgroup) {
  const files = cgroupRoots().flatMap((root) => below(join(root, cgroup)).map((each) => join(each, 'cgroup.procs'))); // prettier-ignore
  const lines = files.flatMap((file) => (attempt(() => readFileSync(file, 'utf8')) ?? '').split('\n'));
  return [...new Set(lines.filter(Boolean).map(Number))];
}

/**
 * Kills all in the cgroup and removes it; throws when something stays for 10 s. `first` is killed before all: the first
 * process of a pid namespace, with which the kernel ends every other in it at once.
 */
export async function endCgroup(cgroup, first) {
  const { folder: top, name, go } = freezer(cgroup);
  if (first !== undefined) attempt(() => process.kill(first, 'SIGKILL'));
  for (const end = Date.now() + 10_000; ; await delay(20)) {
    // What is frozen does not die: a node in a pulse, a paused container.
    for (const folder of below(top)) attempt(() => writeFileSync(join(folder, name), go));
    const pids = pidsIn(cgroup);
    for (const pid of pids) attempt(() => process.kill(pid, 'SIGKILL'));
    const folders = pids.length > 0 ? [] : cgroupRoots().flatMap((root) => below(join(root, cgroup)));
    for (const folder of folders) attempt(() => rmdirSync(folder));
    if (pids.length === 0 && folders.every((folder) => !existsSync(folder))) return;
    if (Date.now() > end)
      throw new Error(`processes of the lab do not end: ${pids.join(' ')} (cgroup ${cgroup})`);
  }
}

/** Start time in clock ticks since boot, which with the pid is one process for ever; undefined when there is none. */
function startTimeOf(pid) {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
}

export const writePid = (file, pid) => writeFileSync(file, `${pid} ${startTimeOf(pid)}\n`);

/** The pid in the file when that very process still lives, else undefined. */
export function readPid(file) {
  const [pid, since] = (attempt(() => readFileSync(file, 'utf8')) ?? '').trim().split(' ');
  return since !== undefined && startTimeOf(pid) === since ? Number(pid) : undefined;
}

/** Names the lab's folder as one: nothing else is ever removed. */
export const stateFile = 'lab.json';

/** Ends every process of the lab in the folder and removes the folder. Safe to repeat. */
export async function removeLab(dir) {
  await endCgroup(cgroupOf(dir));
  if (!existsSync(join(dir, stateFile))) return;
  for (let tries = 0; ; tries++) {
    try {
      // Last of all, so that a removal that was cut short can be repeated.
      for (const name of readdirSync(dir).filter((each) => each !== stateFile))
        rmSync(join(dir, name), { recursive: true, force: true });
      return rmSync(dir, { recursive: true, force: true });
    } catch (error) {
      if (tries >= 50) throw error;
      await delay(100); // a container's mount is still going away
    }
  }
}
