/**
 * How long a cluster of three managers and a worker goes without what it lost: writes after the machine that leads etcd
 * is cut off from power, tasks after a worker is, or after it is cut off from the network. All machines are real
 * engines and real processes of orc, in a lab; all of it shares this machine.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Task } from '../../api-schemas/index.ts';
import { startChurn } from '../harness/lab-churn.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import {
  duplicates,
  helloService,
  isNodeReady,
  leaderOf,
  missingFrom,
  runningIn,
  settled,
} from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';
import { lostWrites, outageMs } from '../harness/prober.ts';
import { option, quantile } from '../harness/figures.ts';

interface Failover {
  /** From the crash of the etcd leader's machine to the next write that any server accepts. */
  readonly leader_kill_p50_s: number;
  readonly leader_kill_p99_s: number;
  /** From the crash of a worker to all its slots being Running elsewhere; median. */
  readonly node_kill_s: number;
  /** The same for a worker that is cut off. */
  readonly partition_s: number;
  /** Containers on machines that stayed which were restarted or replaced. */
  readonly restarted: number;
  /** Slots with more than one container that runs, once all has settled. */
  readonly duplicated: number;
  /** Writes that were accepted and are not there. */
  readonly lost_writes: number;
}

type Log = (line: string) => void;

/** What must be 0, summed over all rounds. */
interface Faults {
  restarted: number;
  duplicated: number;
  lost: number;
}

export async function run(log: Log, args: readonly string[]): Promise<Failover> {
  const rounds = Number(option(args, '--rounds') ?? 20);
  const workerRounds = Number(option(args, '--worker-rounds') ?? 5);
  const lab = await startLab({ nodes: 4, managers: 3, say: log });
  const faults: Faults = { restarted: 0, duplicated: 0, lost: 0 };
  try {
    const client = await openLabClient(lab);
    await client.apply(helloService('steady', { replicas: 8 }));
    await client.apply(helloService('moving', { replicas: 3 }));
    await settled(lab, client);
    const leaderKills: number[] = [];
    const nodeKills: number[] = [];
    const partitions: number[] = [];
    for (let i = 1; i <= rounds; i++) {
      leaderKills.push(await killLeader(lab, client, faults));
      log(`leader kill ${i}: ${text(leaderKills)}`);
    }
    await client.setScale('Service', { name: 'moving' }, 1);
    const worker = lab.node(4);
    for (let i = 1; i <= workerRounds; i++) {
      nodeKills.push(await loseWorker(lab, client, worker, faults, crash(lab)));
      log(`node kill ${i}: ${text(nodeKills)}`);
      partitions.push(await loseWorker(lab, client, worker, faults, cutOff));
      log(`partition ${i}: ${text(partitions)}`);
    }
    client.close();
    return {
      leader_kill_p50_s: quantile(0.5, leaderKills),
      leader_kill_p99_s: quantile(0.99, leaderKills),
      node_kill_s: quantile(0.5, nodeKills),
      partition_s: quantile(0.5, partitions),
      restarted: faults.restarted,
      duplicated: faults.duplicated,
      lost_writes: faults.lost,
    };
  } finally {
    await lab.close();
  }
}

/** One round; seconds until writes were accepted again. */
async function killLeader(lab: Lab, client: LabClient, faults: Faults): Promise<number> {
  const leader = await until(() => leaderOf(lab.managers));
  const others = lab.managers.filter((node) => node !== leader);
  const stayed = (await runningIn(lab, 'steady')).filter(({ node }) => node !== leader.name);
  const churn = startChurn(() => client.to(others, { timeoutMs: 5_000 }), 'moving', [5, 2, 4, 1]);
  await client.startProber();
  await delay(1_000 + Math.random() * 1_000); // at a moment nobody chose
  const killedAt = Date.now();
  await leader.crash();
  await until(async () => !(await isNodeReady(client.to(others), leader.name)));
  await lab.start(leader);
  const amiss = await churn.stop();
  const writes = await client.stopProber();
  await judge(lab, client, stayed, faults);
  const stored = (await client.list('Lease', { namespace: 'default' })).items;
  faults.lost += amiss.length + lostWrites(writes, stored).length;
  return outageMs(writes, killedAt) / 1000;
}

type Loss = (worker: LabNode) => Promise<() => Promise<void>>;

const crash =
  (lab: Lab): Loss =>
  async (worker) => {
    await worker.crash();
    return () => lab.start(worker);
  };

const cutOff: Loss = (worker) => {
  worker.partition();
  return Promise.resolve(() => Promise.resolve(worker.heal()));
};

/** One round; seconds until each slot of the worker was Running elsewhere. */
async function loseWorker(
  lab: Lab,
  client: LabClient,
  worker: LabNode,
  faults: Faults,
  lose: Loss,
): Promise<number> {
  // What was replaced elsewhere stays there: tasks come back to the worker with new slots.
  await client.setScale('Service', { name: 'steady' }, 1);
  await settled(lab, client);
  await client.setScale('Service', { name: 'steady' }, 8);
  const before = (await settled(lab, client)).filter(({ service }) => service === 'steady');
  const stayed = before.filter(({ node }) => node !== worker.name);
  if (stayed.length === before.length) throw new Error(`nothing runs on ${worker.name}`);
  const lostAt = Date.now();
  const giveBack = await lose(worker);
  const slots = new Set(before.map(({ slot }) => slot));
  await until(async () => {
    const tasks = (await client.list('Task', { labelSelector: 'orc.dev/service=steady' })).items;
    const elsewhere = tasks.filter((task) => runs(task) && task.spec.nodeName !== worker.name);
    return new Set(elsewhere.map(({ spec }) => String(spec.slot))).size === slots.size;
  });
  const seconds = (Date.now() - lostAt) / 1000;
  await giveBack();
  await until(() => isNodeReady(client, worker.name));
  await judge(lab, client, stayed, faults);
  return seconds;
}

const runs = ({ spec, status }: Task): boolean =>
  status?.state === 'Running' && spec.desiredState === 'Running';

async function judge(
  lab: Lab,
  client: LabClient,
  stayed: Awaited<ReturnType<typeof runningIn>>,
  faults: Faults,
): Promise<void> {
  const after = await settled(lab, client);
  faults.restarted += missingFrom(stayed, after).length;
  faults.duplicated += duplicates(after).length;
}

/** Asks again and again, for at most two minutes. */
async function until<T>(check: () => Promise<T | undefined | false>): Promise<T> {
  for (const end = Date.now() + 120_000; Date.now() < end; await delay(50)) {
    const result = await check().catch(() => undefined);
    if (result !== undefined && result !== false) return result;
  }
  throw new Error('not within two minutes');
}

const text = (seconds: readonly number[]): string => `${seconds.at(-1)?.toFixed(2)} s`;
