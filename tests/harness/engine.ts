/**
 * Private Docker Engines for tests. Each has its own network, mount and UTS namespace and cgroup, so that several run
 * side by side and the machine's iptables, bridges and containers are not touched. A guard process holds a pipe from
 * the test run and cleans everything up when it closes, also after a crash. Needs root.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { answers } from '../lab/ping.ts';

export { importHelloImage } from './image.ts';

/** A bench is a bundle that lies as deep in the tree as this file. */
const here = fileURLToPath(new URL('../../tests/harness', import.meta.url));
const script = join(here, 'engine.sh');

export interface EngineOptions {
  /** `20`, `26` or `28`; the machine's own dockerd when absent. Default: `$ORC_TEST_ENGINE`. */
  readonly version?: string;
  /** Containers outlive the daemon. Default false, as Docker. */
  readonly liveRestore?: boolean;
  readonly args?: readonly string[];
}

export interface Engine {
  readonly socketPath: string;
  readonly dir: string;
  readonly name: string;
  /** Its address as this machine reaches it: published ports answer here. */
  readonly address: string;
  /** Prefix of argv that runs a command inside the engine's namespaces. */
  readonly enter: readonly string[];
  /** Runs a command inside, returns its output; throws when it fails. */
  run(...argv: string[]): string;
  /** Kills the daemon alone (SIGKILL), as a crash of dockerd; `start` brings it back. */
  kill(): Promise<void>;
  /** Kills everything inside, as a power cut; `start` brings the daemon back. */
  crash(): Promise<void>;
  start(): Promise<void>;
  /** Ends the daemon in good order and starts it again. */
  restart(): Promise<void>;
  /** Ends everything and leaves nothing. */
  stop(): Promise<void>;
}

let count = 0;

/** Starts an engine and returns when it answers. */
export async function startEngine(options: EngineOptions = {}): Promise<Engine> {
  if (process.getuid?.() !== 0) throw new Error('a private Docker Engine needs root: run the tests as root');
  const version = options.version ?? process.env['ORC_TEST_ENGINE'];
  const usr = usrOf(version);
  const dir = mkdtempSync('/var/tmp/orc-engine-');
  // At most 15 characters (it names an interface); unique per process and engine.
  const serial = ((process.pid * 7 + count++) % 16_384) * 4;
  const name = `orct${process.pid.toString(36)}${count.toString(36)}`;
  const subnet = `10.213.${serial >> 8}`;
  const [host, address] = [`${subnet}.${(serial & 255) + 1}`, `${subnet}.${(serial & 255) + 2}`];
  const guard = spawn(
    'bash',
    [script, 'guard', dir, name, host, address, ...(usr === undefined ? [] : [usr])],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    },
  );
  await firstLine(guard).catch((error: unknown) => {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  });
  const enter = ['bash', script, 'enter', dir, name];
  const socketPath = join(dir, 'docker.sock');
  let daemon: ChildProcess | undefined;

  // An engine that was killed sometimes panics at its next start (20.10 does); a service manager starts it again.
  const start = async (tries = 3): Promise<void> => {
    try {
      await startOnce();
    } catch (error) {
      if (tries <= 1 || daemon?.exitCode === null) throw error;
      await start(tries - 1);
    }
  };
  const startOnce = async (): Promise<void> => {
    for (const left of ['docker.pid', 'docker.sock', 'exec/containerd/containerd.pid'])
      rmSync(join(dir, left), { force: true });
    const log = openSync(join(dir, 'dockerd.log'), 'a');
    daemon = spawn(
      enter[0] ?? '',
      [
        ...enter.slice(1),
        'dockerd',
        ...['--data-root', join(dir, 'data'), '--exec-root', join(dir, 'exec')],
        ...['--pidfile', join(dir, 'docker.pid'), '-H', `unix://${socketPath}`],
        ...['--cgroup-parent', `/${name}/ctr`, '--exec-opt', 'native.cgroupdriver=cgroupfs'],
        ...(options.liveRestore ? ['--live-restore'] : []),
        ...(options.args ?? []),
      ],
      { stdio: ['ignore', log, log], env: { ...process.env, DOCKER_SERVICE_PREFER_OFFLINE_IMAGE: '1' } },
    );
    closeSync(log);
    await untilAnswers(socketPath, daemon, join(dir, 'dockerd.log'));
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const gone = once(daemon, 'exit');
    daemon.kill(signal);
    await gone;
  };
  const stop = async (): Promise<void> => {
    if (guard.exitCode !== null) return;
    const gone = once(guard, 'exit');
    guard.stdin?.end();
    await gone;
  };
  try {
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    socketPath,
    dir,
    name,
    address,
    enter,
    run: (...argv) => execFileSync(enter[0] ?? '', [...enter.slice(1), ...argv], { encoding: 'utf8' }),
    kill: () => end('SIGKILL'),
    async crash() {
      const gone = daemon === undefined ? undefined : once(daemon, 'exit');
      for (const pid of execFileSync('bash', [script, 'pids', name], { encoding: 'utf8' }).split(/\s+/))
        if (pid !== '') tryKill(Number(pid));
      await gone;
    },
    start: () => start(),
    async restart() {
      await end('SIGTERM');
      await start();
    },
    stop,
  };
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

/** The /usr that holds the wanted engine; undefined when it is the machine's own. */
function usrOf(version: string | undefined): string | undefined {
  if (version === undefined || version === '') return undefined;
  try {
    const own = /version (\d+)/.exec(execFileSync('dockerd', ['--version'], { encoding: 'utf8' }))?.[1];
    if (own === version) return undefined;
  } catch {
    // No engine of its own on this machine.
  }
  const root = execFileSync('bash', [join(here, 'engine-root.sh'), version], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return join(root.trim(), 'usr');
}

async function firstLine(guard: ChildProcess): Promise<void> {
  if (guard.stdout === null) throw new Error('the guard has no output');
  const lines = createInterface({ input: guard.stdout });
  const line = await Promise.race([
    once(lines, 'line').then(([first]) => String(first)),
    once(guard, 'exit').then(([code]) => `exit ${String(code)}`),
  ]);
  if (line !== 'ready') throw new Error(`namespaces for a private engine could not be made (${line})`);
}

/** Waits up to 60 s: the first start of a large data root on a slow disk takes long. */
async function untilAnswers(socketPath: string, daemon: ChildProcess, log: string): Promise<void> {
  for (const end = Date.now() + 60_000; ; await delay(20)) {
    if (await answers(socketPath)) return;
    if (daemon.exitCode !== null || daemon.signalCode !== null || Date.now() > end)
      throw new Error(
        `dockerd did not come up:\n${readFileSync(log, 'utf8').split('\n').slice(-8).join('\n')}`,
      );
  }
}
