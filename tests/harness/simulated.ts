/**
 * For benches: everything real but the containers. The server (with its etcd) is a process of its own, so that what it
 * takes can be told from the rest; simulated nodes, each with a mutual-TLS session, share the process of the bench.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { createSimulatedRuntime, startAgent, type Agent } from '../../agent/index.ts';
import type { SimulatedRuntime } from '../../agent/runtime/simulated.ts';
import { connectSession } from '../../agent/session/index.ts';
import { parseToken } from '../../api-schemas/join.ts';
import { joinCluster, type Client } from '../../client/index.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { generateKey } from '../../server/pki/index.ts';
import { openClient } from './client.ts';

/** Also right in a bench, whose bundle lies as deep in the tree. */
const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Simulated {
  readonly client: Client;
  /** Of the server; its etcd is another process. */
  readonly pid: number;
  /** Data directory of the server. */
  readonly dataDir: string;
  /** Joins so many nodes and resolves when all are Ready. `wrap` sees each runtime before its agent does. */
  addNodes(count: number, wrap?: (runtime: SimulatedRuntime) => SimulatedRuntime): Promise<void>;
  /** Ends everything and removes the data. */
  close(): Promise<void>;
}

export async function startSimulated(name: string): Promise<Simulated> {
  const parent = process.env['ORC_TEST_RUN'] ?? join(root, '.orc');
  mkdirSync(parent, { recursive: true });
  const dir = mkdtempSync(join(parent, `${name}-`));
  const server = startServer(dir);
  const agents: Agent[] = [];
  const end = async (): Promise<void> => {
    const gone = server.exitCode === null ? once(server, 'exit') : undefined;
    server.kill('SIGTERM');
    await Promise.all(agents.map((agent) => agent.close()));
    await gone;
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const client = await connected(dir, server);
    const isThere = async (): Promise<boolean> =>
      (await client.list('Node')).items.filter(isReady).length === agents.length;
    return {
      client,
      pid: server.pid ?? 0,
      dataDir: join(dir, 'data'),
      async addNodes(count, wrap = (runtime) => runtime) {
        await startNodes(client, count, agents, serverUrl(dir), wrap);
        await eventually(isThere, 120_000);
      },
      async close() {
        client.close();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function startServer(dir: string): ChildProcess {
  const log = openSync(join(dir, 'server.log'), 'a');
  const node = ['--no-warnings', '--enable-source-maps', join(root, 'bin/orc.mjs')];
  const words = ['server', '--log-level', 'warn', '--data-dir', join(dir, 'data')];
  return spawn(process.execPath, [...node, ...words, '--listen', '127.0.0.1:0', '--node-name', 'bench'], {
    stdio: ['ignore', log, log],
    env: { ...process.env, ORC_CONFIG: join(dir, 'config') },
  });
}

async function connected(dir: string, server: ChildProcess): Promise<Client> {
  for (let i = 0; i < 600; i++) {
    if (existsSync(join(dir, 'config'))) return openClient(join(dir, 'config'));
    if (server.exitCode !== null) break;
    await delay(100);
  }
  throw new Error(`the server did not start:\n${readFileSync(join(dir, 'server.log'), 'utf8').slice(-2000)}`);
}

const serverUrl = (dir: string): string =>
  /server: (\S+)/.exec(readFileSync(join(dir, 'config'), 'utf8'))?.[1] ?? '';

/** One key for all nodes: making 500 takes longer than what is measured. Each joins, and has its own certificate. */
async function startNodes(
  client: Client,
  count: number,
  agents: Agent[],
  url: string,
  wrap: (runtime: SimulatedRuntime) => SimulatedRuntime,
): Promise<void> {
  const { token } = JSON.parse(await client.raw('GET', '/cluster/v1/token?role=worker')) as { token: string };
  const parsed = parseToken(token);
  if (parsed === undefined) throw new Error('the server gave no token');
  const key = await generateKey();
  for (let index = 0; index < count; index++) {
    const nodeName = `sim-${String(index).padStart(4, '0')}`;
    const { ca, certificate: cert } = await joinCluster({ endpoint: url, token, parsed, nodeName, key });
    const tls = { ca, cert, key };
    agents.push(
      await startAgent({
        owner: { cluster: 'bench', nodeName },
        runtime: wrap(createSimulatedRuntime({ nodeName, clock: systemClock })),
        role: 'worker',
        logger: silentLogger,
        ingress: false,
        resyncMs: 0,
        connect: (handlers) =>
          connectSession({
            endpoints: [url],
            tls: () => tls,
            logger: silentLogger,
            clock: systemClock,
            ...handlers,
          }),
      }),
    );
    if (index % 25 === 24) await delay(50);
  }
}

const isReady = (node: { status?: { conditions?: readonly { type: string; status: string }[] } }): boolean =>
  node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

async function eventually(check: () => Promise<boolean>, ms: number): Promise<void> {
  for (const until = Date.now() + ms; !(await check()); await delay(200)) {
    if (Date.now() > until) throw new Error('the nodes did not become Ready in time');
  }
}

/** Resident memory of a process, in units of 1,000,000 bytes. */
export function residentMb(pid: number): number {
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return Math.round((kib * 1024) / 1e6);
}

/** User and system time of a process so far, of 100 ticks a second. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}
