import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually, startCluster, type Cluster } from '../harness/cluster.ts';

const manifest = `
apiVersion: orc.dev/v1
kind: Service
metadata: { name: web }
spec:
  image: orc.local/hello:1
  replicas: 5
  stopGracePeriod: 1s
  ports: [{ published: 8080, target: 80 }]
`;

/** A crash at a moment nobody chose. */
const randomMoment = (): Promise<void> => delay(Math.random() * 300);

describe('A crash of any process', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ liveRestore: true });
    const ran = await cluster.apply(manifest, '--wait', '--timeout', '60s');
    expect(ran.stderr).not.toContain('error');
    expect(ran.code).toBe(0);
  }, 120_000);
  afterAll(() => cluster.stop(), 60_000);

  const runningIds = async (): Promise<string[]> =>
    (await cluster.containers())
      .filter(({ State }) => State === 'running')
      .map(({ Id }) => Id)
      .sort();
  const settled = (replicas: number): Promise<string[]> =>
    eventually(`${replicas} tasks run, each in its own container`, async () => {
      const tasks = await cluster.tasks('web').catch(() => []);
      const running = tasks.filter((task) => task.status?.state === 'Running');
      const ids = await runningIds();
      const slots = new Set(running.map((task) => task.spec.slot));
      return running.length === replicas && slots.size === replicas && ids.length === replicas && ids;
    });

  test('kill -9 of server and agent: the same containers run afterwards', async () => {
    for (let round = 0; round < 3; round++) {
      const before = await settled(5);
      await randomMoment();
      await cluster.kill();
      expect(await runningIds()).toEqual(before);
      await cluster.start();
      expect(await settled(5)).toEqual(before);
    }
  }, 180_000);

  test('kill -9 of server and agent in the midst of scaling: nothing is duplicated or forgotten', async () => {
    for (const replicas of [9, 3, 5]) {
      await cluster.must('scale', 'service/web', '--replicas', String(replicas), '--no-wait');
      await randomMoment();
      await cluster.kill();
      await cluster.start();
      await settled(replicas);
    }
  }, 180_000);

  test('kill -9 of etcd: nothing restarts, and writes go on', async () => {
    const before = await settled(5);
    const { pid } = JSON.parse(readFileSync(join(cluster.dir, 'data/etcd/etcd.json'), 'utf8')) as {
      pid: number;
    };
    await randomMoment();
    process.kill(pid, 'SIGKILL');
    await eventually(
      'a write succeeds again',
      async () => (await cluster.orc('scale', 'service/web', '--replicas', '6', '--no-wait')).code === 0,
    );
    const after = await settled(6);
    expect(before.filter((id) => !after.includes(id))).toEqual([]);
    await cluster.must('scale', 'service/web', '--replicas', '5', '--wait');
    expect(await settled(5)).toEqual(before);
  }, 120_000);

  test('kill -9 of the engine: containers that it kept go on under the same ids', async () => {
    const before = await settled(5);
    await randomMoment();
    await cluster.engine.kill();
    await eventually('the node says that its engine is down', async () =>
      (await cluster.must('describe', 'node')).includes('EngineDown'),
    );
    await cluster.engine.start();
    await eventually('the node is Ready', async () =>
      (await cluster.must('get', 'nodes')).includes(' Ready'),
    );
    expect(await settled(5)).toEqual(before);
  }, 120_000);

  test('a power cut: everything inside dies at once, and comes back', async () => {
    await cluster.engine.crash();
    await cluster.engine.start();
    await cluster.start();
    await settled(5);
    const exited = (await cluster.containers()).filter(({ State }) => State === 'running');
    expect(exited).toHaveLength(5);
  }, 120_000);
});
