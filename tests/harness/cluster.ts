/**
 * A one-machine cluster for tests: a private engine, and `orc up` (the built bundle) in the engine's namespaces,
 * with its API on an address that the test reaches. Everything ends with `stop`, also after a crash of the test run.
 */
import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { taskStates, type Obj, type Service, type Task } from '../../api-schemas/index.ts';
import { importHelloImage, startEngine, type Engine, type EngineOptions } from './engine.ts';

/** Also right in a bench, whose bundle lies as deep in the tree. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const orc = join(root, 'bin/orc.mjs');

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Cluster {
  readonly engine: Engine;
  readonly dir: string;
  /** Environment in which `orc` finds this cluster. */
  readonly env: NodeJS.ProcessEnv;
  /** Pid of the `orc up` process. */
  pid(): number;
  /** Runs the CLI on this machine. Never throws for an exit code. */
  orc(...args: readonly string[]): Promise<Ran>;
  /** Runs the CLI and throws with its output when it fails. */
  must(...args: readonly string[]): Promise<string>;
  /** Writes text to a file of the cluster's directory; returns its path. */
  file(name: string, text: string): string;
  apply(text: string, ...args: readonly string[]): Promise<Ran>;
  get<T extends Obj = Obj>(kind: string, ...args: readonly string[]): Promise<T[]>;
  /** Tasks of a service that are meant to run. */
  tasks(service: string): Promise<Task[]>;
  /** Kills `orc up` with SIGKILL and waits for it to be gone. */
  kill(): Promise<void>;
  /** Ends `orc up` with SIGTERM. */
  end(): Promise<void>;
  start(): Promise<void>;
  /** The end of orc's log. */
  log(): string;
  /** Runs the engine's `docker ps`-like list: name, state, id of each container that is orc's. */
  containers(): Promise<EngineContainer[]>;
  /** One HTTP request to the node's address; undefined when it was refused or timed out. */
  fetch(port: number, path?: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

export interface EngineContainer {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly State: string;
  readonly Created: number;
  readonly Labels: Readonly<Record<string, string>>;
}

export interface ClusterOptions extends EngineOptions {
  /** Name of the image with busybox and a page that says the container's hostname. Default `orc.local/hello:1`. */
  readonly image?: string;
  readonly upArgs?: readonly string[];
  /** Of node, for `orc up` alone, e.g. `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
}

/** Builds the bundle once per test run when it is older than nothing: `npm test` has built it already. */
function ensureBuilt(): void {
  if (!existsSync(join(root, 'dist/orc.mjs')))
    execFileSync(process.execPath, [join(root, 'scripts/build.mjs')], { cwd: root });
}

export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  ensureBuilt();
  const engine = await startEngine(options);
  await importHelloImage(engine, options.image ?? 'orc.local/hello:1');
  const dir = mkdtempSync('/var/tmp/orc-cluster-');
  const logFile = join(dir, 'orc.log');
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    ORC_CONFIG: join(dir, 'config'),
    NO_COLOR: '1',
    HOME: dir,
  };
  let up: ChildProcess | undefined;

  const run = (args: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      execFile(
        process.execPath,
        ['--no-warnings', '--enable-source-maps', orc, ...args],
        { env, maxBuffer: 64 << 20, timeout: 300_000 },
        (error, stdout, stderr) => {
          const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 255;
          resolve({ code, stdout, stderr });
        },
      );
    });

  const start = async (): Promise<void> => {
    const log = openSync(logFile, 'a');
    const [command = '', ...prefix] = engine.enter;
    up = spawn(
      command,
      [
        ...prefix,
        ...[
          process.execPath,
          ...(options.nodeArgs ?? []),
          '--no-warnings',
          '--enable-source-maps',
          orc,
          'up',
        ],
        ...['--data-dir', join(dir, 'data'), '--listen', `${engine.address}:6750`],
        ...['--docker-host', `unix://${engine.socketPath}`],
        ...(options.upArgs ?? []),
      ],
      { stdio: ['ignore', log, log], env },
    );
    closeSync(log);
    for (const until = Date.now() + 60_000; ; await delay(100)) {
      if (existsSync(join(dir, 'config')) && (await run(['get', 'nodes'])).stdout.includes(' Ready')) return;
      if (up.exitCode !== null || Date.now() > until)
        throw new Error(`orc up did not come up:\n${tail(logFile, 20)}`);
    }
  };

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (up === undefined || up.exitCode !== null || up.signalCode !== null) return;
    const gone = once(up, 'exit');
    up.kill(signal);
    await gone;
  };

  const cluster: Cluster = {
    engine,
    dir,
    env,
    pid: () => up?.pid ?? 0,
    orc: (...args) => run(args),
    async must(...args) {
      const ran = await run(args);
      if (ran.code !== 0)
        throw new Error(
          `orc ${args.join(' ')}: exit ${ran.code}\n${ran.stdout}${ran.stderr}\n${tail(logFile, 15)}`,
        );
      return ran.stdout;
    },
    file(name, text) {
      const path = join(dir, name);
      writeFileSync(path, text);
      return path;
    },
    apply: (text, ...args) => run(['apply', '-f', cluster.file('manifest.yml', text), ...args]),
    async get<T extends Obj>(kind: string, ...args: readonly string[]) {
      const out = JSON.parse(await cluster.must('get', kind, ...args, '-o', 'json')) as { items?: T[] } & T;
      return out.items ?? [out];
    },
    async tasks(service) {
      const tasks = await cluster.get<Task>('tasks', '-l', `orc.dev/service=${service}`);
      return tasks.filter(
        ({ spec, status, metadata }) =>
          spec.desiredState === 'Running' &&
          metadata.deletionTimestamp === undefined &&
          taskStates.indexOf(status?.state ?? 'New') <= taskStates.indexOf('Running'),
      );
    },
    kill: () => end('SIGKILL'),
    end: () => end('SIGTERM'),
    start,
    log: () => tail(logFile, 60),
    async containers() {
      const filters = encodeURIComponent(JSON.stringify({ label: ['dev.orc.node'] }));
      const out = execFileSync(
        'curl',
        ['-fsS', '--unix-socket', engine.socketPath, `http://d/containers/json?all=1&filters=${filters}`],
        { encoding: 'utf8' },
      );
      return JSON.parse(out) as EngineContainer[];
    },
    async fetch(port, path = '/') {
      try {
        const answer = await fetch(`http://${engine.address}:${port}${path}`, {
          headers: { connection: 'close' },
          signal: AbortSignal.timeout(3_000),
        });
        return answer.ok ? (await answer.text()).trim() : undefined;
      } catch {
        return undefined;
      }
    },
    async stop() {
      await end('SIGTERM');
      await engine.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    await start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

const tail = (path: string, lines: number): string =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(-lines).join('\n') : '';

/** Calls `check` until it returns something truthy, at most `ms`; then throws with `what`. */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  ms = 30_000,
): Promise<T> {
  for (const until = Date.now() + ms; ; await delay(50)) {
    const result = await check();
    if (result) return result;
    if (Date.now() > until) throw new Error(`not within ${ms / 1000} s: ${what}`);
  }
}

export const isReady = (service: Service | undefined, replicas: number): boolean =>
  service?.status?.ready === replicas && service.status.observedGeneration === service.metadata.generation;
