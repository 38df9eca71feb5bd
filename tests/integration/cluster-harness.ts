/** Machines of one cluster as processes of this one: real servers and etcd on addresses of loopback, simulated engines. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Obj } from '../../api-schemas/index.ts';

const program = fileURLToPath(new URL('../../bin/orc.mjs', import.meta.url));
const flags = ['--no-warnings', '--enable-source-maps', program];

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface Machine {
  readonly name: string;
  readonly address: string;
  readonly dataDir: string;
  /** Runs the CLI with this machine's contexts. Never throws for an exit code. */
  orc(...args: readonly string[]): Promise<Ran>;
  /** The same, and throws with what it said unless it succeeds. */
  must(...args: readonly string[]): Promise<string>;
  get<T extends Obj = Obj>(kind: string, ...args: readonly string[]): Promise<readonly T[]>;
  /** Applies a manifest and waits for it. */
  apply(text: string): Promise<void>;
  /** Starts `orc init`, `join` or `up` here, with the flags of this machine, to stay. */
  start(command: 'init' | 'join' | 'up' | 'server', ...args: readonly string[]): void;
  /** Starts an `orc agent` beside an `orc server`. */
  startAgent(...args: readonly string[]): void;
  /** Resolves to the exit code of what `start` started. */
  exited(): Promise<number | null>;
  isRunning(): boolean;
  /** SIGKILL: etcd runs on, as it does when orc crashes. */
  kill(): Promise<void>;
  /** SIGTERM. */
  end(): Promise<void>;
  /** Also etcd, as when the machine loses power. */
  crash(): Promise<void>;
  /** What it has printed and logged since its first start. */
  log(): string;
}

export interface Machines {
  /** A machine that does not run yet. */
  machine(name: string): Machine;
  /** Starts it, and joins it through `to`; resolves when it is a node that is Ready. */
  join(machine: Machine, to: Machine, role: 'worker' | 'manager'): Promise<void>;
  stop(): Promise<void>;
}

export function startMachines(): Machines {
  if (!existsSync(fileURLToPath(new URL('../../dist/orc.mjs', import.meta.url))))
    throw new Error('`node scripts/build.mjs` first');
  const dir = mkdtempSync('/var/tmp/orc-machines-');
  // Tests that run beside this one have other addresses.
  const net = `127.${1 + (process.pid % 250)}.${1 + (Math.floor(process.pid / 250) % 250)}`;
  const machines: Machine[] = [];
  return {
    machine(name) {
      const address = `${net}.${String(11 + machines.length)}`;
      const machine = openMachine(name, address, join(dir, name), join(dir, `${name}.log`));
      machines.push(machine);
      return machine;
    },
    async join(machine, to, role) {
      const token = (await to.must('token', 'show', role, '-q')).trim();
      machine.start('join', '--token', token, `${to.address}:6750`);
      await untilReady(to, machine);
    },
    async stop() {
      await Promise.all(machines.map((machine) => machine.crash()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function openMachine(name: string, address: string, dataDir: string, logFile: string): Machine {
  const env = { ...process.env, ORC_CONFIG: `${dataDir}.config`, NO_COLOR: '1' };
  let child: ChildProcess | undefined;
  let agent: ChildProcess | undefined;
  const runs = (one: ChildProcess | undefined): one is ChildProcess =>
    one !== undefined && one.exitCode === null && one.signalCode === null;
  const isRunning = (): boolean => runs(child);
  const signal = async (which: NodeJS.Signals): Promise<void> => {
    const running = [agent, child].filter(runs);
    const gone = running.map((one) => once(one, 'exit'));
    for (const one of running) one.kill(which);
    await Promise.all(gone);
  };
  const spawnHere = (words: readonly string[]): ChildProcess => {
    const log = openSync(logFile, 'a');
    const own = ['--data-dir', dataDir, '--log-format', 'json'];
    const made = spawn(process.execPath, [...flags, ...words, ...own], { env, stdio: ['ignore', log, log] });
    closeSync(log);
    return made;
  };
  const machine: Machine = {
    name,
    address,
    dataDir,
    orc: (...args) => run(args, env),
    async must(...args) {
      const ran = await run(args, env);
      if (ran.code === 0) return ran.out;
      throw new Error(`${name}: orc ${args.join(' ')}: exit ${ran.code}\n${ran.out}${ran.err}`);
    },
    async get<T extends Obj = Obj>(kind: string, ...args: readonly string[]) {
      const answer = JSON.parse(await machine.must('get', kind, ...args, '-o', 'json')) as {
        items?: T[];
      } & T;
      return answer.items ?? [answer];
    },
    async apply(text) {
      writeFileSync(`${dataDir}.yml`, text);
      await machine.must('apply', '-f', `${dataDir}.yml`, '--wait');
    },
    start(command, ...args) {
      const listen = args.includes('--listen') ? [] : ['--listen', `${address}:6750`];
      const isNew = command === 'init' || command === 'join';
      const more = isNew ? [...listen, '--name', name] : [];
      const runtime = command === 'server' ? [] : ['--runtime', 'simulated'];
      child = spawnHere([command, ...runtime, ...more, ...args]);
    },
    startAgent(...args) {
      const server = ['--server-url', `https://${address}:6750`];
      agent = spawnHere(['agent', '--runtime', 'simulated', '--name', name, ...server, ...args]);
    },
    async exited() {
      if (runs(child)) await once(child, 'exit');
      return child?.exitCode ?? null;
    },
    isRunning,
    kill: () => signal('SIGKILL'),
    end: () => signal('SIGTERM'),
    async crash() {
      await signal('SIGKILL');
      const pid = etcdPid(dataDir);
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
    },
    log: () => (existsSync(logFile) ? readFileSync(logFile, 'utf8') : ''),
  };
  return machine;
}

/** Of the etcd that runs on the data directory; undefined when none does. */
function etcdPid(dataDir: string): number | undefined {
  const record = join(dataDir, 'etcd', 'etcd.json');
  if (!existsSync(record)) return undefined;
  const { pid } = JSON.parse(readFileSync(record, 'utf8')) as { readonly pid: number };
  const file = `/proc/${String(pid)}/cmdline`;
  return existsSync(file) && readFileSync(file, 'utf8').includes(dataDir) ? pid : undefined;
}

const run = (args: readonly string[], env: NodeJS.ProcessEnv): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(process.execPath, [...flags, ...args], { env, maxBuffer: 64 << 20 }, (error, out, err) =>
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 255, out, err }),
    );
  });

/** The node that the other machine is, as the API shows it. */
export async function untilReady(through: Machine, of: Machine): Promise<void> {
  await until(`${of.name} is Ready`, [through, of], async () => {
    const ran = await through.orc('get', 'node', of.name);
    return ran.code === 0 && ran.out.includes(' Ready');
  });
}

/** Looks again until it is so; after a minute it rejects, with the ends of the machines' logs. */
export async function until(
  what: string,
  machines: readonly Machine[],
  check: () => Promise<boolean> | boolean,
): Promise<void> {
  for (const end = Date.now() + 60_000; !(await check()); await delay(100)) {
    if (Date.now() < end) continue;
    const logs = machines.map((m) => `--- ${m.name}\n${m.log().split('\n').slice(-15).join('\n')}`);
    throw new Error(`not within a minute: ${what}\n${logs.join('\n')}`);
  }
}
