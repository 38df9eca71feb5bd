/**
 * Compare-and-put of 500-byte values against a real etcd with fsync, from one process: grouped by the writer,
 * and one at a time.
 */
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import type { Task } from '../../api-schemas/index.ts';
import { Connection } from '../../store/connection.ts';
import { openStore } from '../../store/index.ts';
import { startTestEtcd } from '../../store/testing.ts';
import { Writer } from '../../store/writer.ts';

interface Load {
  readonly name: string;
  /** Writers at a time, each on a key of its own. */
  readonly concurrency: number;
  readonly seconds: number;
  readonly maxOps?: number;
}

interface Rate {
  readonly perSecond: number;
  readonly opsPerBatch: number;
  readonly commitMs: number;
}

async function measure(connection: Connection, load: Load): Promise<Rate> {
  const { name, concurrency, seconds, maxOps } = load;
  const writer = new Writer({
    connection,
    clock: systemClock,
    logger: silentLogger,
    ...(maxOps === undefined ? {} : { maxOps, maxInFlight: 1 }),
  });
  const value = JSON.stringify({ kind: 'Task', padding: 'x'.repeat(470) });
  const started = performance.now();
  const end = started + seconds * 1000;
  let written = 0;
  const one = async (_: unknown, index: number): Promise<void> => {
    const key = `/orc/registry/${name}/default/web-1-${index}`;
    for (let expect = 0; performance.now() < end;) {
      const result = await writer.submit({ key, expect, value });
      if (!result.committed) throw new Error(`${key}: ${result.why}`);
      expect = result.revision;
      written++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  const { counters } = writer;
  return {
    perSecond: Math.round((written * 1000) / (performance.now() - started)),
    opsPerBatch: Math.round(counters.ops / counters.batches),
    commitMs: Math.round((counters.commitMs / counters.batches) * 100) / 100,
  };
}

/** Status updates of 2,000 tasks through the registry: read, change, write, and see it in the cache. */
async function measureRegistry(endpoints: readonly string[]): Promise<number> {
  const store = await openStore({ endpoints, logger: silentLogger });
  const task = (i: number): Task => ({
    apiVersion: 'orc.dev/v1',
    kind: 'Task',
    metadata: { name: `web-${i}`, namespace: 'default', labels: { 'orc.dev/service': 'web' } },
    spec: { service: 'web', revision: 'web-12345678', slot: i, desiredState: 'Running', nodeName: 'n1' },
  });
  await Promise.all(Array.from({ length: 2000 }, (_, i) => store.registry.create(task(i))));
  const started = performance.now();
  const end = started + 3000;
  let written = 0;
  const one = async (_: unknown, i: number): Promise<void> => {
    for (let n = 0; performance.now() < end; n++) {
      await store.registry.modify<Task>({ kind: 'Task', namespace: 'default', name: `web-${i}` }, (t) => ({
        ...t,
        status: { state: 'Running', message: `update ${n}` },
      }));
      written++;
    }
  };
  await Promise.all(Array.from({ length: 2000 }, one));
  const perSecond = Math.round((written * 1000) / (performance.now() - started));
  await store.close();
  return perSecond;
}

export async function run(log: (line: string) => void): Promise<object> {
  const dir = process.env['ORC_TEST_RUN'];
  const etcd = await startTestEtcd(dir === undefined ? {} : { dir });
  const connection = new Connection(etcd);
  try {
    const rate = async (load: Load): Promise<Rate> => {
      const measured = await measure(connection, load);
      log(
        `${load.name}: ${measured.perSecond}/s, ${measured.opsPerBatch} per commit, ${measured.commitMs} ms each`,
      );
      return measured;
    };
    const ungrouped = await rate({ name: 'ungrouped', concurrency: 1, seconds: 3, maxOps: 1 });
    await rate({ name: 'warm-up', concurrency: 512, seconds: 2 });
    const grouped512 = await rate({ name: 'grouped-512', concurrency: 512, seconds: 5 });
    const grouped2048 = await rate({ name: 'grouped-2048', concurrency: 2048, seconds: 5 });
    const registry = await measureRegistry(etcd.endpoints);
    log(`registry: ${registry} updates/s, each seen in the cache`);
    return {
      grouped_per_s: grouped512.perSecond,
      ungrouped_per_s: ungrouped.perSecond,
      grouped_2048_per_s: grouped2048.perSecond,
      registry_updates_per_s: registry,
      commit_ms: grouped512.commitMs,
      ungrouped_commit_ms: ungrouped.commitMs,
    };
  } finally {
    connection.close();
    await etcd.stop();
  }
}
