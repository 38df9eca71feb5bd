/**
 * Tasks on simulated nodes, from `apply` to all Running, through everything that is real: etcd, the HTTPS API,
 * controllers, one mutual-TLS session per node. The server is a process of its own; the nodes share this one.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as delay } from 'node:timers/promises';
import { createSimulatedRuntime, startAgent, type Agent } from '../../agent/index.ts';
import { connectSession } from '../../agent/session/index.ts';
import type { Service } from '../../api-schemas/index.ts';
import { parseToken } from '../../api-schemas/join.ts';
import { joinCluster, type Client } from '../../client/index.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { generateKey } from '../../server/pki/index.ts';
import { openClient } from '../harness/client.ts';
import { option } from '../harness/figures.ts';

const idleMs = 8_000;
const root = fileURLToPath(new URL('../..', import.meta.url));

interface Scale {
  readonly nodes: number;
  readonly tasks: number;
  readonly seconds: number;
  readonly server_rss_mb: number;
  /** Processor time of the server for `seconds`: says more than these on a machine that does other things, too. */
  readonly server_cpu_s: number;
  /** Share of one core that the server takes for its sessions while nothing happens, in percent. */
  readonly server_idle_pct: number;
  /** Until the last node had registered; not part of `seconds`. */
  readonly connect_s: number;
}

export async function run(log: (line: string) => void, args: readonly string[]): Promise<Scale> {
  const nodes = Number(option(args, '--nodes') ?? 500);
  const tasks = Number(option(args, '--tasks') ?? 10_000);
  const parent = process.env['ORC_TEST_RUN'] ?? join(root, '.orc');
  mkdirSync(parent, { recursive: true });
  const dir = mkdtempSync(join(parent, 'scale-'));
  const server = startServer(dir);
  const agents: Agent[] = [];
  try {
    const client = await connected(dir, server);
    const connecting = performance.now();
    await startNodes(client, nodes, agents, await serverUrl(dir));
    await eventually(async () => (await client.list('Node')).items.filter(isReady).length === nodes, 120_000);
    const connect = (performance.now() - connecting) / 1000;
    log(`${nodes} nodes Ready after ${connect.toFixed(1)} s`);
    const pid = server.pid ?? 0;
    await delay(2000);
    const idleFrom = cpuSeconds(pid);
    await delay(idleMs);
    const before = cpuSeconds(pid);
    const idle = ((before - idleFrom) / (idleMs / 1000)) * 100;

    const seconds = await applyAndWait(client, tasks, log);
    const cpu = cpuSeconds(pid) - before;
    const rss = residentMb(pid);
    log(`${tasks} tasks Running after ${seconds.toFixed(2)} s; server ${rss} MB`);
    client.close();
    return {
      ...{ nodes, tasks, seconds: round2(seconds), server_rss_mb: rss, server_cpu_s: round2(cpu) },
      ...{ server_idle_pct: round2(idle), connect_s: round2(connect) },
    };
  } finally {
    const gone = server.exitCode === null ? once(server, 'exit') : undefined;
    server.kill('SIGTERM');
    await Promise.all(agents.map((agent) => agent.close()));
    await gone;
    rmSync(dir, { recursive: true, force: true });
  }
}

function startServer(dir: string): ChildProcess {
  const log = openSync(join(dir, 'server.log'), 'a');
  return spawn(
    process.execPath,
    [
      ...[
        '--no-warnings',
        '--enable-source-maps',
        join(root, 'bin/orc.mjs'),
        'server',
        '--log-level',
        'warn',
      ],
      ...['--data-dir', join(dir, 'data'), '--listen', '127.0.0.1:0', '--node-name', 'bench'],
    ],
    { stdio: ['ignore', log, log], env: { ...process.env, ORC_CONFIG: join(dir, 'config') } },
  );
}

async function connected(dir: string, server: ChildProcess): Promise<Client> {
  for (let i = 0; i < 600; i++) {
    if (existsSync(join(dir, 'config'))) return openClient(join(dir, 'config'));
    if (server.exitCode !== null) break;
    await delay(100);
  }
  throw new Error(`the server did not start:\n${readFileSync(join(dir, 'server.log'), 'utf8').slice(-2000)}`);
}

const serverUrl = async (dir: string): Promise<string> =>
  /server: (\S+)/.exec(readFileSync(join(dir, 'config'), 'utf8'))?.[1] ?? '';

/** One key for all nodes: making 500 takes longer than what is measured. Each joins, and has its own certificate. */
async function startNodes(client: Client, count: number, agents: Agent[], url: string): Promise<void> {
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
        runtime: createSimulatedRuntime({ nodeName, clock: systemClock }),
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

async function applyAndWait(client: Client, replicas: number, log: (line: string) => void): Promise<number> {
  const started = performance.now();
  await client.apply(
    {
      apiVersion: 'orc.dev/v1',
      kind: 'Service',
      metadata: { name: 'many', namespace: 'default' },
      spec: { image: 'sim/hello:1', replicas },
    },
    { fieldManager: 'bench' },
  );
  let shown = 0;
  const events = client.watch('Service', { namespace: 'default', fieldSelector: 'metadata.name=many' });
  for await (const event of events) {
    const services: readonly Service[] =
      event.type === 'SYNC' ? event.items : 'object' in event ? [event.object] : [];
    const ready = services[0]?.status?.ready ?? 0;
    if (ready - shown >= replicas / 5) {
      shown = ready;
      log(`${ready} Running after ${((performance.now() - started) / 1000).toFixed(2)} s`);
    }
    if (ready === replicas) break;
  }
  return (performance.now() - started) / 1000;
}

const isReady = (node: { status?: { conditions?: readonly { type: string; status: string }[] } }): boolean =>
  node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

async function eventually(check: () => Promise<boolean>, ms: number): Promise<void> {
  for (const until = Date.now() + ms; !(await check()); await delay(200)) {
    if (Date.now() > until) throw new Error('the nodes did not become Ready in time');
  }
}

function residentMb(pid: number): number {
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return Math.round((kib * 1024) / 1e6);
}

/** User and system time, of 100 ticks a second. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13);
  return (Number(user) + Number(system)) / 100;
}

const round2 = (value: number): number => Math.round(value * 100) / 100;
