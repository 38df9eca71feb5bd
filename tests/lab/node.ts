/**
 * A machine of the lab: first process, cable, engine, orc. A crash ends its namespaces and so forgets what a machine
 * forgets without power (processes, mounts, /run, firewall rules, interfaces); its folder is its disk.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { importHelloImage } from '../../scripts/hello-image.mjs';
import { startCapture, type Capture } from './capture.ts';
import { labCgroupOf, makeCgroup, settle } from './cgroup.ts';
import { cgroupOf, endCgroup, freezer, pidsIn, readPid, writePid } from './clean.mjs';
import { startDaemon } from './engine.ts';
import { answers } from './ping.ts';
import { run, spawnToFile, spawnUntilLine, type Ran, type RunOptions } from './run.ts';
import { script, type LabState, type NodeState } from './state.ts';
import { portOf, type Cuts, type Switch } from './switch.ts';

export interface SpawnOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Default: no input, output as pipes. */
  readonly stdio?: StdioOptions;
}

export interface LabProcess {
  /** Its streams are the program's; its pid is not. */
  readonly child: ChildProcess;
  /** Resolves when the program has ended, also by a crash of the node. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Sends a signal to the program itself. */
  signal(signal: NodeJS.Signals): void;
}

export interface LabNode {
  /** `n1`, `n2`, … */
  readonly name: string;
  readonly address: string;
  /** As asked for: `20`, `26`, `28` or `host`. */
  readonly engine: string;
  /** `unix://…`, which works from the machine as well as inside the node. */
  readonly dockerHost: string;
  readonly socketPath: string;
  /** The node's files; what is below it survives a crash. */
  readonly dir: string;
  /** Where orc of this node keeps its data, and its log. */
  readonly dataDir: string;
  readonly orcLog: string;
  readonly engineLog: string;
  /** Environment of everything in the node: HOME and ORC_CONFIG of its own, `orc` in PATH. */
  readonly env: NodeJS.ProcessEnv;
  /** Prefix of argv that runs a command inside. */
  enter(): readonly string[];
  /** The same for a command that shall not outlive its caller: it is killed when the wrapper is. */
  enterBound(): readonly string[];
  isUp(): boolean;
  /** Pids of all its processes, as the machine knows them. */
  pids(): readonly number[];
  /** Runs a command inside to its end. Never throws for an exit code. */
  exec(argv: readonly string[], options?: RunOptions): Promise<Ran>;
  /** Runs a command inside; throws with what it said when it fails; returns its output. */
  must(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts a command inside. It ends with the caller, with the node, or by `signal`. */
  spawn(argv: readonly string[], options?: SpawnOptions): LabProcess;
  /** Starts a command inside that outlives the caller, its output at the end of a file. */
  spawnToFile(argv: readonly string[], file: string): ChildProcess;
  /** Power cut: its cable first, then every process at once, so that no peer hears of it. */
  crash(): Promise<void>;
  /** Boots it again on the same data, engine included. */
  boot(): Promise<void>;
  /** Ends the engine by a signal and starts it again, as a service manager would; its containers may end with it. */
  restartEngine(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Silent loss of every packet to and from the others, or one other; its link stays up. */
  partition(options?: { readonly from?: LabNode }): void;
  /** The reverse; without `from`, of every partition of this node. */
  heal(options?: { readonly from?: LabNode }): void;
  cuts(): Cuts;
  /**
   * Moves the clock that programs started with `exec`, `spawn` and orc see, by so much from the machine's; running ones
   * see it within a second. Not the monotonic clock, and not Go programs (etcd, the engine). Needs a lab with clocks.
   */
  setClock(offsetMs: number): void;
  /**
   * Delays packets to the node by `ms` where the kernel has netem, else freezes the whole node for `ms` of every two
   * times `ms`; returns which. 0 ends it, and so does a crash.
   */
  slow(ms: number): 'delay' | 'pulses' | 'off';
  /** `delay` is not told: it is the kernel's. */
  isPulsing(): boolean;
  /** Writes what passes its cable to a file, for tcpdump or Wireshark. Ends with a crash. */
  capture(file: string): Promise<Capture>;
}

export function openNode(lab: LabState, state: NodeState, labPid: number, net: Switch): LabNode {
  const { name, number, address } = state;
  const dir = join(lab.dir, name);
  const cgroup = join(cgroupOf(lab.dir), name);
  const file = (each: string): string => join(dir, each);
  const pid = (): number | undefined => readPid(file('pid'));
  const env = environment(lab, dir);
  const enter = (): readonly string[] => {
    const first = pid();
    if (first === undefined) throw new Error(`${name} is down: start it first`);
    return ['bash', script, 'enter', join(cgroup, 'init'), String(first)];
  };
  const enterBound = (): readonly string[] => [...enter(), 'setpriv', '--pdeathsig', 'KILL', '--'];

  const engineFiles = { socketPath: file('docker.sock'), data: file('docker'), log: file('dockerd.log') };

  const node: LabNode = {
    name,
    address,
    engine: state.engine,
    dockerHost: `unix://${file('docker.sock')}`,
    socketPath: file('docker.sock'),
    dir,
    dataDir: file('orc'),
    orcLog: file('orc.log'),
    engineLog: file('dockerd.log'),
    env,
    enter,
    enterBound,
    isUp: () => pid() !== undefined,
    pids: () => pidsIn(cgroup),
    exec: (argv, options = {}) =>
      run([...enterBound(), ...argv], { ...options, env: { ...env, ...options.env } }),
    async must(argv, options) {
      const ran = await node.exec(argv, options);
      if (ran.code !== 0)
        throw new Error(`${name}: ${argv.join(' ')}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
      return ran.stdout;
    },
    spawn(argv, options = {}) {
      const [command = '', ...args] = [...enterBound(), ...argv];
      const child = spawn(command, args, {
        stdio: options.stdio ?? ['ignore', 'pipe', 'pipe'],
        env: { ...env, ...options.env },
      });
      const exited = once(child, 'exit').then(([code, signal]: (number | string | null)[]) => ({
        code: typeof code === 'number' ? code : null,
        signal: typeof signal === 'string' ? signal : null,
      }));
      return { child, exited, signal: (signal) => signalInside(child, signal) };
    },
    spawnToFile: (argv, log) => spawnToFile([...enter(), ...argv], log, env),
    async crash() {
      const first = pid();
      if (first === undefined) return;
      if (net.isPlugged(number)) net.cut(number);
      endPulses(file('slow'));
      await endCgroup(cgroup, first);
      net.unplug(number);
      rmSync(file('pid'), { force: true });
    },
    async boot() {
      if (node.isUp()) throw new Error(`${name} is up already`);
      await endCgroup(cgroup); // of the time before a crash
      net.unplug(number);
      mkdirs(dir, lab);
      makeCgroup(cgroup);
      const words = [name, dir, ...(state.usr === undefined ? [] : [state.usr])];
      const first = await spawnUntilLine(
        ['bash', script, 'boot', cgroup, String(labPid), ...words],
        file('boot.log'),
      );
      settle(cgroup);
      writePid(file('pid'), Number(first));
      net.plug(number, Number(first), `${address}/${lab.prefix}`);
      await startDaemon(enter(), engineFiles, env);
    },
    async restartEngine(signal) {
      await endInside(node, '/run/docker.pid', signal);
      await startDaemon(enter(), engineFiles, env);
    },
    partition: ({ from } = {}) => net.cut(number, from && numberOf(from)),
    heal: ({ from } = {}) => net.join(number, from && numberOf(from)),
    cuts: () => net.cutsOf(number),
    setClock(offsetMs) {
      if (lab.clockLibrary === undefined)
        throw new Error('the nodes of this lab have the clock of the machine: start it with clocks');
      writeFileSync(file('clock'), clockText(offsetMs));
    },
    slow(ms) {
      endPulses(file('slow'));
      const { folder, name: switchName, stop, go } = freezer(cgroup);
      const state = join(folder, switchName);
      if (existsSync(state)) writeFileSync(state, go);
      if (ms <= 0) {
        net.delay(number, 0);
        return 'off';
      }
      enter(); // throws when it is down
      if (net.delay(number, ms)) return 'delay';
      writeFileSync(file('slow'), '');
      const words = [labCgroupOf(lab.dir), String(labPid), state, stop, go, String(ms / 1000)];
      const { pid: pulse = 0 } = spawnToFile(['bash', script, 'pulse', ...words], file('boot.log'));
      writePid(file('slow'), pulse);
      return 'pulses';
    },
    isPulsing: () => readPid(file('slow')) !== undefined,
    capture: (to) => startCapture(net, portOf(number), to),
  };
  return node;
}

const numberOf = (node: LabNode): number => Number(node.name.slice(1));

/** Makes the image of the examples in the node's engine, as there is no registry to pull from. */
export async function loadImage(node: LabNode): Promise<void> {
  if (await answers(node.socketPath)) await importHelloImage(node.socketPath);
}

/** As libfaketime reads it: seconds from the machine's clock. */
export const clockText = (offsetMs: number): string =>
  `${offsetMs < 0 ? '-' : '+'}${(Math.abs(offsetMs) / 1000).toFixed(3)}\n`;

function environment(lab: LabState, dir: string): NodeJS.ProcessEnv {
  const outside = /^(docker_.*|orc_(?!test_).*|(https?|ftp|all|no)_proxy)$/i; // speak of what is not reached from a node
  const kept = Object.entries(process.env).filter(([key]) => !outside.test(key));
  const clock = {
    LD_PRELOAD: lab.clockLibrary,
    FAKETIME_TIMESTAMP_FILE: join(dir, 'clock'),
    FAKETIME_CACHE_DURATION: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  return {
    ...Object.fromEntries(kept),
    HOME: join(dir, 'home'),
    ORC_CONFIG: join(dir, 'home/.orc/config'),
    PATH: [join(lab.dir, 'bin'), process.env['PATH'] ?? '', '/usr/sbin', '/sbin'].join(delimiter),
    ...(lab.clockLibrary === undefined ? {} : clock),
  };
}

function mkdirs(dir: string, lab: LabState): void {
  for (const each of ['etc', 'etc.work', 'docker', 'home/.orc', 'var-lib-orc'])
    mkdirSync(join(dir, each), { recursive: true });
  const others = lab.nodes.map(({ name, address }) => `${address} ${name}\n`);
  writeFileSync(join(dir, 'hosts'), `127.0.0.1 localhost\n${others.join('')}`);
  if (lab.clockLibrary !== undefined && !existsSync(join(dir, 'clock')))
    writeFileSync(join(dir, 'clock'), clockText(0));
}

/** Ends the program whose pid, as the node counts, is the first word of a file, and waits until it has ended. */
export async function endInside(node: LabNode, pidFile: string, signal: NodeJS.Signals): Promise<void> {
  const [pid = ''] = (await node.must(['cat', pidFile])).trim().split(' ');
  await node.must(['kill', `-${signal.slice(3)}`, pid]);
  for (const until = Date.now() + 60_000; (await node.exec(['kill', '-0', pid])).code === 0; await delay(50))
    if (Date.now() > until) throw new Error(`${node.name}: process ${pid} of ${pidFile} does not end`);
}

function signalInside({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    const inside = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    for (const each of inside) process.kill(Number(each), signal);
  } catch {
    // it has ended
  }
}

function endPulses(pidFile: string): void {
  const pulse = readPid(pidFile);
  if (pulse !== undefined) process.kill(-pulse, 'SIGKILL'); // with its `sleep`; it leads a group of its own
  rmSync(pidFile, { force: true });
}
