/** Resident memory of server and agent together (one `orc up`), without etcd: idle, and with 100 running tasks. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { startCluster } from '../harness/cluster.ts';

interface Memory {
  readonly idle_mb: number;
  readonly tasks100_mb: number;
}

export async function run(log: (line: string) => void): Promise<Memory> {
  const cluster = await startCluster({ upArgs: ['--log-level', 'warn'] });
  try {
    await delay(20_000); // what start-up left is collected, and a few heartbeats have passed
    const idle = residentMb(cluster.pid());
    log(`idle: ${idle} MB`);
    const manifest =
      'apiVersion: orc.dev/v1\nkind: Service\nmetadata: { name: many }\nspec: { image: orc.local/hello:1, replicas: 100, stopGracePeriod: 1s }\n';
    const ran = await cluster.apply(manifest, '--wait', '--timeout', '5m');
    if (ran.code !== 0) throw new Error(ran.stdout + ran.stderr);
    await delay(10_000);
    const busy = residentMb(cluster.pid());
    log(`100 tasks: ${busy} MB`);
    return { idle_mb: idle, tasks100_mb: busy };
  } finally {
    await cluster.stop();
  }
}

/** VmRSS, in units of 1,000,000 bytes. */
function residentMb(pid: number): number {
  const kib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  return Math.round((kib * 1024) / 1e6);
}
