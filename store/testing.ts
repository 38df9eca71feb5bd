/** For tests only: a private etcd, real and durable, on a temporary directory and free loopback ports. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, closeSync, rmSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../kit/log.ts';
import { freePorts, isListening } from './ports.ts';
import { openStore, type OpenOptions, type Store } from './open.ts';

export interface TestEtcd {
  readonly endpoints: readonly string[];
  readonly dataDir: string;
  readonly pid: number;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same data and ports, after `kill`. */
  start(): Promise<void>;
  /** `kill`, then `start`. */
  restart(): Promise<void>;
  /** Ends it and removes its data. Idempotent. */
  stop(): Promise<void>;
}

export interface TestEtcdOptions {
  /** Further flags, e.g. `--quota-backend-bytes=…`. */
  readonly args?: readonly string[];
  /** Parent of the temporary directory. Default: the system's. */
  readonly dir?: string;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function waitForPort(port: number, child: ChildProcess, log: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`etcd ended at once:\n${readFileSync(log, 'utf8').slice(-2000)}`);
    if (await isListening(port)) return;
    await pause(10);
  }
  throw new Error('etcd did not open its port within 10 s');
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export async function startTestEtcd(options: TestEtcdOptions = {}): Promise<TestEtcd> {
  const dataDir = mkdtempSync(join(options.dir ?? tmpdir(), 'orc-etcd-'));
  const [clientPort = 0, peerPort = 0] = await freePorts(2);
  const client = `http://127.0.0.1:${clientPort}`;
  const peer = `http://127.0.0.1:${peerPort}`;
  const log = join(dataDir, 'log');
  let child: ChildProcess | undefined;

  const kill = async (): Promise<void> => {
    const dying = child;
    child = undefined;
    if (dying === undefined || dying.exitCode !== null || dying.signalCode !== null) return;
    const exit = once(dying, 'exit');
    dying.kill('SIGKILL');
    await exit;
    running.delete(dying);
  };
  const start = async (): Promise<void> => {
    if (child !== undefined) throw new Error('etcd runs already');
    const fd = openSync(log, 'a');
    child = spawn(
      'etcd',
      [
        '--name=test',
        `--data-dir=${join(dataDir, 'data')}`,
        `--listen-client-urls=${client}`,
        `--advertise-client-urls=${client}`,
        `--listen-peer-urls=${peer}`,
        `--initial-advertise-peer-urls=${peer}`,
        `--initial-cluster=test=${peer}`,
        '--max-txn-ops=10000',
        '--heartbeat-interval=20',
        '--election-timeout=200',
        '--snapshot-count=5000',
        '--logger=zap',
        ...(options.args ?? []),
      ],
      { stdio: ['ignore', fd, fd] },
    );
    closeSync(fd);
    running.add(child);
    await once(child, 'spawn');
    await waitForPort(clientPort, child, log);
  };
  await start();
  return {
    endpoints: [client],
    dataDir,
    get pid() {
      return child?.pid ?? 0;
    },
    kill,
    start,
    restart: async () => {
      await kill();
      await start();
    },
    stop: async () => {
      await kill();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

export interface TestRegistry extends Store {
  readonly etcd: TestEtcd;
  /** A second process's view of the same etcd. Closed with the first. */
  another(options?: Partial<OpenOptions>): Promise<Store>;
}

/** A store on its own etcd; `close` ends both. */
export async function openTestRegistry(
  options: Partial<OpenOptions> = {},
  etcdOptions: TestEtcdOptions = {},
): Promise<TestRegistry> {
  const etcd = await startTestEtcd(etcdOptions);
  const open = (more: Partial<OpenOptions> = {}): Promise<Store> =>
    openStore({ logger: silentLogger, ...options, ...more, endpoints: etcd.endpoints });
  const store = await open();
  const others: Store[] = [];
  return {
    ...store,
    etcd,
    another: async (more) => {
      const other = await open(more);
      others.push(other);
      return other;
    },
    close: async () => {
      await Promise.all([store, ...others].map((each) => each.close()));
      await etcd.stop();
    },
  };
}
