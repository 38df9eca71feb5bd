/**
 * A thousand tasks that crash again and again for ten minutes, on simulated nodes: whether what they leave behind is
 * bounded. Back-off makes restarts rarer, ended tasks and events are limited, and neither etcd nor the server grows.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SimulatedRuntime } from '../../agent/runtime/simulated.ts';
import type { Task } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import { option } from '../harness/figures.ts';
import { cpuSeconds, residentMb, startSimulated } from '../harness/simulated.ts';

const services = 10;
const tasksOfNode = 20;
const taskHistoryLimit = 4;
const sampleMs = 15_000;

interface CrashLoop {
  readonly tasks: number;
  readonly minutes: number;
  /** Of etcd's database file, before the first task. */
  readonly etcd_mb_start: number;
  readonly etcd_mb_max: number;
  /** How much it grew in the last two minutes. */
  readonly etcd_mb_last_growth: number;
  readonly etcd_mb_end: number;
  readonly server_rss_mb_max: number;
  readonly server_rss_mb_end: number;
  /** Share of one core that the server took. */
  readonly cpu_percent_first_minute: number;
  readonly cpu_percent_last_minute: number;
  readonly restarts_first_minute: number;
  /** Mean of the last two minutes: all wait about as long, so that a minute has all restarts or none. */
  readonly restarts_last_minute: number;
  /** Most tasks at once that were not being deleted, and what they may be: one that lives and its history, each. */
  readonly tasks_kept_max: number;
  readonly tasks_kept_limit: number;
  readonly events_kept_max: number;
}

interface Sample {
  readonly atS: number;
  readonly etcdMb: number;
  readonly rssMb: number;
  readonly cpuS: number;
  readonly starts: number;
  readonly tasks: number;
  readonly events: number;
}

export async function run(log: (line: string) => void, args: readonly string[]): Promise<CrashLoop> {
  const tasks = Number(option(args, '--tasks') ?? 1_000);
  const minutes = Number(option(args, '--minutes') ?? 10);
  const world = await startSimulated('crashloop');
  const { client, pid } = world;
  let starts = 0;
  const counted = (runtime: SimulatedRuntime): SimulatedRuntime => ({
    ...runtime,
    start(id) {
      starts += 1;
      return runtime.start(id);
    },
  });
  const began = performance.now();
  const sample = async (): Promise<Sample> => ({
    atS: (performance.now() - began) / 1000,
    etcdMb: statSync(join(world.dataDir, 'etcd/data/member/snap/db')).size / 1e6,
    rssMb: residentMb(pid),
    cpuS: cpuSeconds(pid),
    starts,
    ...(await kept(client)),
  });
  try {
    await world.addNodes(Math.max(1, Math.ceil(tasks / tasksOfNode)), counted);
    const samples = [await sample()];
    for (let i = 0; i < services; i++) await applyCrashing(client, i, replicasOf(tasks, i));
    for (const end = performance.now() + minutes * 60_000; performance.now() < end;) {
      await delay(Math.min(sampleMs, end - performance.now()));
      const now = await sample();
      samples.push(now);
      log(lineOf(now));
    }
    return summarize(tasks, minutes, samples);
  } finally {
    await world.close();
  }
}

const replicasOf = (tasks: number, index: number): number =>
  Math.floor(tasks / services) + (index < tasks % services ? 1 : 0);

async function applyCrashing(client: Client, index: number, replicas: number): Promise<void> {
  await client.apply(
    {
      apiVersion: 'orc.dev/v1',
      kind: 'Service',
      metadata: { name: `crashing-${index}`, namespace: 'default' },
      spec: { image: 'sim/fail-after:500ms', replicas, taskHistoryLimit },
    },
    { fieldManager: 'bench' },
  );
}

async function kept(client: Client): Promise<Pick<Sample, 'tasks' | 'events'>> {
  const [tasks, events] = [await client.list('Task'), await client.list('Event')];
  const isKept = (task: Task): boolean => task.metadata.deletionTimestamp === undefined;
  return { tasks: tasks.items.filter(isKept).length, events: events.items.length };
}

/** Pure; the first sample is of before the first task. */
function summarize(tasks: number, minutes: number, samples: readonly Sample[]): CrashLoop {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) throw new Error('nothing was measured');
  const at = (second: number): Sample => samples.findLast(({ atS }) => atS <= second + 1) ?? first;
  const afterOne = at(first.atS + 60);
  const [twoBefore, beforeLast] = [at(last.atS - 120), at(last.atS - 60)];
  const max = (of: (sample: Sample) => number): number => Math.max(...samples.map(of));
  const percent = (from: Sample, to: Sample): number => (100 * (to.cpuS - from.cpuS)) / (to.atS - from.atS);
  return {
    tasks,
    minutes,
    etcd_mb_start: round1(first.etcdMb),
    etcd_mb_max: round1(max(({ etcdMb }) => etcdMb)),
    etcd_mb_last_growth: round1(last.etcdMb - twoBefore.etcdMb),
    etcd_mb_end: round1(last.etcdMb),
    server_rss_mb_max: max(({ rssMb }) => rssMb),
    server_rss_mb_end: last.rssMb,
    cpu_percent_first_minute: round1(percent(first, afterOne)),
    cpu_percent_last_minute: round1(percent(beforeLast, last)),
    restarts_first_minute: Math.max(0, afterOne.starts - tasks),
    restarts_last_minute: Math.round((last.starts - twoBefore.starts) / 2),
    tasks_kept_max: max((sample) => sample.tasks),
    tasks_kept_limit: tasks * (1 + taskHistoryLimit),
    events_kept_max: max(({ events }) => events),
  };
}

const lineOf = ({ atS, etcdMb, rssMb, cpuS, starts, tasks, events }: Sample): string =>
  `${atS.toFixed(0)} s: ${starts} starts, ${tasks} tasks and ${events} events kept, etcd ${etcdMb.toFixed(1)} MB, server ${rssMb} MB and ${cpuS.toFixed(0)} s of a core`;

const round1 = (value: number): number => Math.round(value * 10) / 10;
