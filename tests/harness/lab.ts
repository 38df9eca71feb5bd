/**
 * A cluster of real Docker Engines on one machine, for tests and for `npm run lab`. Each node has its own network, mount,
 * pid and cgroup namespaces; their network is a bridge in a namespace of the lab's own. Every node lives inside the
 * lab's pid namespace: when the lab's first process dies, the kernel ends all of it. Needs root.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { startCapture, type Capture } from '../lab/capture.ts';
import { labCgroupOf, makeCgroup } from '../lab/cgroup.ts';
import { readPid, removeLab, stateFile, writePid } from '../lab/clean.mjs';
import { usrOf } from '../lab/engine.ts';
import { endInside, loadImage, openNode, type LabNode } from '../lab/node.ts';
import { continueOrc, formCluster, isMember } from '../lab/orc.ts';
import { ensureClockLibrary, find } from '../lab/programs.ts';
import { spawnUntilLine } from '../lab/run.ts';
import { checkDir, createState, planNodes, readState, root, script, type LabState } from '../lab/state.ts';
import { bridge, openSwitch } from '../lab/switch.ts';

export type { Capture } from '../lab/capture.ts';
export type { LabNode, LabProcess, SpawnOptions } from '../lab/node.ts';
export type { Ran, RunOptions } from '../lab/run.ts';

export interface LabOptions {
  readonly nodes: number;
  /** `20`, `26`, `28` or `host` (default); the i-th node runs the i-th, the last one repeats. */
  readonly engines?: readonly string[];
  /** Where the lab's files are: a folder that is empty or not there. Default: a new one below /var/tmp. */
  readonly dir?: string;
  /** Labs do not see each other: all may have the same. Default 10.77.0.0/24. */
  readonly subnet?: string;
  /** Runs orc as well, with so many managers; default 0: engines only. */
  readonly managers?: number;
  /** Each node has a clock of its own (`setClock`). Default false. */
  readonly clocks?: boolean;
  /** The lab outlives this process. Default false: it is removed however this process ends. */
  readonly keep?: boolean;
  readonly say?: (line: string) => void;
}

export interface Lab {
  readonly dir: string;
  readonly managers: readonly LabNode[];
  readonly nodes: readonly LabNode[];
  /** By name or number; throws when there is none. */
  node(name: string | number): LabNode;
  /** Boots a node that is down, and its orc when it was a member. */
  start(node: LabNode): Promise<void>;
  /** Kills orc on a node that is up (SIGKILL) and starts it again; containers run on. */
  restartOrc(node: LabNode): Promise<void>;
  /** Writes everything that passes the bridge to a file. */
  capture(file: string): Promise<Capture>;
  /** Ends everything and removes the folder. */
  close(): Promise<void>;
}

const temporary = '/var/tmp';

/** Makes a lab and returns when every engine (and, with managers, every node of orc) answers. */
export async function startLab(options: LabOptions): Promise<Lab> {
  if (process.getuid?.() !== 0) throw new Error('a lab needs root: it makes namespaces');
  const say = options.say ?? (() => undefined);
  const plan = planNodes({
    nodes: options.nodes,
    engines: options.engines ?? [],
    subnet: options.subnet ?? '10.77.0.0/24',
  });
  const nodes = plan.nodes.map((node) => {
    const usr = usrOf(node.engine);
    return usr === undefined ? node : { ...node, usr };
  });
  await sweepDead();
  const dir = makeDir(options.dir);
  const clockLibrary = options.clocks === true ? ensureClockLibrary() : undefined;
  const managers = Math.min(options.managers ?? 0, nodes.length);
  const state = { ...plan, nodes, dir, managers, ...(clockLibrary === undefined ? {} : { clockLibrary }) };
  createState(state);
  const release = options.keep === true ? () => removeLab(dir) : await leash(dir);
  try {
    makeBin(dir);
    makeCgroup(labCgroupOf(dir));
    const pid = Number(
      await spawnUntilLine(['bash', script, 'switch', labCgroupOf(dir)], join(dir, 'switch.log')),
    );
    writePid(join(dir, 'switch.pid'), pid);
    openSwitch(pid).create();
    const lab = open(state, pid, release);
    const boots = lab.nodes.map(async (node) => {
      say(`${node.name}: booting at ${node.address}, engine ${node.engine}`);
      await node.boot();
      await loadImage(node);
    });
    await Promise.all(boots);
    if (managers > 0) await formCluster(lab.nodes, managers, say);
    return lab;
  } catch (error) {
    await release();
    throw error;
  }
}

/** The lab that an earlier process left running in the folder; undefined when none is, or none runs. */
export function openLab(folder: string): Lab | undefined {
  const dir = resolve(folder);
  const state = readState(dir);
  const pid = readPid(join(dir, 'switch.pid'));
  return state === undefined || pid === undefined ? undefined : open(state, pid, () => removeLab(dir));
}

function open(state: LabState, pid: number, close: () => Promise<void>): Lab {
  const net = openSwitch(pid);
  const nodes = state.nodes.map((node) => openNode(state, node, pid, net));
  const managers = nodes.slice(0, state.managers);
  return {
    dir: state.dir,
    nodes,
    managers,
    node(name) {
      const found = nodes.find((node) => node.name === name || node.name === `n${name}`);
      if (found === undefined)
        throw new Error(`no node ${name}: there are ${nodes.map((node) => node.name).join(', ')}`);
      return found;
    },
    async start(node) {
      await node.boot();
      if (isMember(node)) await continueOrc(node, managers);
    },
    async restartOrc(node) {
      await endInside(node, join(node.dataDir, 'orc.pid'), 'SIGKILL');
      await continueOrc(node, managers);
    },
    capture: (file) => startCapture(net, bridge, file),
    close,
  };
}

function makeDir(wanted: string | undefined): string {
  const dir = wanted === undefined ? mkdtempSync(join(temporary, 'orc-lab-')) : resolve(wanted);
  checkDir(dir);
  if (existsSync(join(dir, stateFile))) throw new Error(`a lab is in ${dir} already`);
  if (existsSync(dir) && readdirSync(dir).length > 0)
    throw new Error(`${dir} is not empty, and no lab made it: choose another folder`);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  return dir;
}

/** So that `orc` is a command in every node, and `ping` also where only busybox has one. */
function makeBin(dir: string): void {
  mkdirSync(join(dir, 'bin'));
  symlinkSync(join(root, 'bin/orc.mjs'), join(dir, 'bin/orc'));
  symlinkSync(process.execPath, join(dir, 'bin/node'));
  if (find('ping') === undefined) symlinkSync(find('busybox') ?? '/bin/busybox', join(dir, 'bin/ping'));
}

/** A process that removes the lab when its standard input closes: when we say so, or die. */
async function leash(dir: string): Promise<() => Promise<void>> {
  const guard = spawn(process.execPath, [join(root, 'tests/lab/guard.mjs'), dir], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  await once(createInterface({ input: guard.stdout }), 'line');
  if (guard.pid !== undefined) writePid(join(dir, 'guard.pid'), guard.pid);
  return async () => {
    if (guard.exitCode === null) {
      const gone = once(guard, 'exit');
      guard.stdin.end();
      await gone;
    }
    if (guard.exitCode !== 0) await removeLab(dir); // says why
  };
}

/** Labs whose guard was killed, too: nobody else removes them. */
async function sweepDead(): Promise<void> {
  for (const name of readdirSync(temporary).filter((each) => each.startsWith('orc-lab-'))) {
    const pidFile = join(temporary, name, 'guard.pid');
    if (!existsSync(pidFile) || readPid(pidFile) !== undefined) continue;
    // It is in nobody's way: say so, and go on.
    await removeLab(join(temporary, name)).catch((error: unknown) => console.error(`lab: ${String(error)}`));
  }
}
