/**
 * Tasks on simulated nodes, from `apply` to all Running, through everything that is real: etcd, the HTTPS API,
 * controllers, one mutual-TLS session per node. The server is a process of its own; the nodes share this one.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Service } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import { option } from '../harness/figures.ts';
import { cpuSeconds, residentMb, startSimulated } from '../harness/simulated.ts';

const idleMs = 8_000;

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
  const world = await startSimulated('scale');
  const { client, pid } = world;
  try {
    const connecting = performance.now();
    await world.addNodes(nodes);
    const connect = (performance.now() - connecting) / 1000;
    log(`${nodes} nodes Ready after ${connect.toFixed(1)} s`);
    await delay(2000);
    const idleFrom = cpuSeconds(pid);
    await delay(idleMs);
    const before = cpuSeconds(pid);
    const idle = ((before - idleFrom) / (idleMs / 1000)) * 100;

    const seconds = await applyAndWait(client, tasks, log);
    const cpu = cpuSeconds(pid) - before;
    const rss = residentMb(pid);
    log(`${tasks} tasks Running after ${seconds.toFixed(2)} s; server ${rss} MB`);
    return {
      ...{ nodes, tasks, seconds: round2(seconds), server_rss_mb: rss, server_cpu_s: round2(cpu) },
      ...{ server_idle_pct: round2(idle), connect_s: round2(connect) },
    };
  } finally {
    await world.close();
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

const round2 = (value: number): number => Math.round(value * 100) / 100;
