/** One cgroup for each node, so that its processes are known by where they are and never by their names. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cgroupOf, cgroupRoots } from './clean.mjs';

/** Of what belongs to the lab and to no node. */
export const labCgroupOf = (dir: string): string => join(cgroupOf(dir), 'lab');

/** Makes the cgroup in each tree, with the controllers that an engine needs. */
export function makeCgroup(cgroup: string): void {
  for (const root of cgroupRoots()) {
    let folder = root;
    for (const part of cgroup.split('/')) {
      delegate(folder);
      const parent = folder;
      folder = join(folder, part);
      mkdirSync(folder, { recursive: true });
      inheritCpuset(parent, folder);
    }
  }
}

/**
 * Moves the node's first processes one level down. With cgroup v2 only a cgroup without processes of its own hands
 * controllers on, and the node's top is what its engine sees as the root.
 */
export function settle(cgroup: string): void {
  makeCgroup(join(cgroup, 'init'));
  for (const root of cgroupRoots()) {
    const top = join(root, cgroup);
    for (const pid of readFileSync(join(top, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean))
      writeFileSync(join(top, 'init/cgroup.procs'), pid);
    delegate(top);
  }
}

/** v2: what a cgroup may use, its children may use. One by one, as one that cannot be handed on spoils the rest. */
function delegate(folder: string): void {
  const controllers = join(folder, 'cgroup.controllers');
  if (!existsSync(controllers)) return;
  for (const controller of readFileSync(controllers, 'utf8').trim().split(' ').filter(Boolean)) {
    try {
      writeFileSync(join(folder, 'cgroup.subtree_control'), `+${controller}`);
    } catch {
      // the machine keeps this one for itself, or processes are still here
    }
  }
}

/** v1: a new cpuset is empty and takes no process until it has processors. */
function inheritCpuset(parent: string, folder: string): void {
  if (existsSync(join(folder, 'cgroup.controllers'))) return;
  for (const file of ['cpuset.cpus', 'cpuset.mems'].filter((each) => existsSync(join(folder, each))))
    if (readFileSync(join(folder, file), 'utf8').trim() === '')
      writeFileSync(join(folder, file), readFileSync(join(parent, file)));
}
