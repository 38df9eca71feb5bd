import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Service, Task } from '../../api-schemas/index.ts';
import { ensureRedisImage } from '../../scripts/redis-image.mjs';
import { eventually, isReady, startCluster, type Cluster } from '../harness/cluster.ts';

const examples = fileURLToPath(new URL('../../manifests/examples', import.meta.url));
const hello = readFileSync(join(examples, 'hello/stack.yml'), 'utf8');

describe('The main job on one machine', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster();
  }, 120_000);
  afterAll(() => cluster.stop(), 60_000);

  const service = async (name: string): Promise<Service | undefined> =>
    (await cluster.get<Service>('services')).find((each) => each.metadata.name === name);
  const answers = async (port: number, tries = 60): Promise<Set<string>> => {
    const seen = new Set<string>();
    for (let i = 0; i < tries; i++) {
      const text = await cluster.fetch(port);
      if (text !== undefined) seen.add(text);
    }
    return seen;
  };

  test('a stack becomes running containers, and each replica answers behind one port', async () => {
    const out = await cluster.must(
      'apply',
      '-f',
      join(examples, 'hello/stack.yml'),
      '--wait',
      '--timeout',
      '60s',
    );
    expect(out).toContain('stack/hello created');
    expect(isReady(await service('hello-web'), 3)).toBe(true);
    const containers = await cluster.containers();
    expect(containers.filter(({ State }) => State === 'running')).toHaveLength(4);
    const seen = await eventually('all three replicas answer', async () => {
      const set = await answers(8080);
      return set.size === 3 && set;
    });
    expect(seen.size).toBe(3);
  }, 120_000);

  test('applying the same again changes nothing and restarts nothing', async () => {
    const before = (await cluster.containers()).map(({ Id }) => Id).sort();
    const { stdout, code } = await cluster.orc('apply', '-f', join(examples, 'hello/stack.yml'), '--wait');
    expect(stdout).toContain('stack/hello unchanged');
    expect(code).toBe(0);
    expect((await cluster.containers()).map(({ Id }) => Id).sort()).toEqual(before);
  }, 60_000);

  test('a killed container is replaced, in the same slot, by a new task', async () => {
    const [victim] = await cluster.tasks('hello-web');
    cluster.engine.run(
      'curl',
      '-fsS',
      '-X',
      'POST',
      '--unix-socket',
      cluster.engine.socketPath,
      `http://d/containers/${victim?.status?.containerID ?? ''}/kill`,
    );
    const replacement = await eventually('a new task runs in the slot', async () =>
      (await cluster.tasks('hello-web')).find(
        (task) =>
          task.spec.slot === victim?.spec.slot &&
          task.metadata.uid !== victim?.metadata.uid &&
          task.status?.state === 'Running',
      ),
    );
    expect(replacement.spec.restarts).toBe(1);
    const old = (await cluster.get<Task>('tasks', victim?.metadata.name ?? ''))[0];
    expect(old?.status).toMatchObject({ state: 'Failed', exitCode: 137 });
  }, 60_000);

  test('a container removed behind our back is replaced, and the task says so', async () => {
    const [victim] = await cluster.tasks('hello-web');
    cluster.engine.run(
      'curl',
      '-fsS',
      '-X',
      'DELETE',
      '--unix-socket',
      cluster.engine.socketPath,
      `http://d/containers/${victim?.status?.containerID ?? ''}?force=1`,
    );
    await eventually('three tasks run again', async () => {
      const tasks = (await cluster.tasks('hello-web')).filter((task) => task.status?.state === 'Running');
      return tasks.length === 3 && tasks.every((task) => task.metadata.uid !== victim?.metadata.uid);
    });
  }, 60_000);

  test('scaling out and in changes only what it must', async () => {
    const before = (await cluster.tasks('hello-web')).map((task) => task.metadata.uid);
    await cluster.must('scale', 'service/hello-web', '--replicas', '6', '--wait', '--timeout', '60s');
    expect(isReady(await service('hello-web'), 6)).toBe(true);
    await cluster.must('scale', 'service/hello-web', '--replicas', '3', '--wait', '--timeout', '60s');
    const after = await eventually('three tasks are left', async () => {
      const tasks = await cluster.tasks('hello-web');
      return tasks.length === 3 && tasks;
    });
    expect(after.map((task) => task.metadata.uid).sort()).toEqual([...before].sort());
  }, 120_000);

  test('a new template replaces every task, start-first, without a failed request', async () => {
    let failed = 0;
    let asked = 0;
    let isDone = false;
    const load = (async () => {
      while (!isDone) {
        asked += 1;
        if ((await cluster.fetch(8080)) === undefined) failed += 1;
      }
    })();
    const before = (await cluster.tasks('hello-web')).map((task) => task.metadata.uid);
    const changed = hello.replace(
      'replicas: 3',
      'replicas: 3\n      healthcheck: { test: [CMD-SHELL, "nc -w 1 127.0.0.1 80 < /dev/null"], interval: 300ms }',
    );
    expect(changed).not.toBe(hello);
    const ran = await cluster.apply(changed, '--wait', '--timeout', '90s');
    isDone = true;
    await load;
    expect(ran.stderr + ran.stdout).toContain('stack/hello configured');
    expect(ran.code).toBe(0);
    const after = await cluster.tasks('hello-web');
    expect(after).toHaveLength(3);
    expect(after.filter((task) => before.includes(task.metadata.uid))).toEqual([]);
    expect(asked).toBeGreaterThan(20);
    expect(failed).toBe(0);
  }, 120_000);

  test('logs of all tasks of a service, and a command in one', async () => {
    const logs = await cluster.must('logs', 'service/hello-clock', '--tail', '2');
    expect(logs).toMatch(/\d\d:\d\d/);
    const [task] = await cluster.tasks('hello-web');
    const hostname = await cluster.must('exec', task?.metadata.name ?? '', '--', 'hostname');
    expect(await answers(8080)).toContain(`${hostname.trim()}`);
    expect((await cluster.orc('exec', task?.metadata.name ?? '', '--', 'sh', '-c', 'exit 3')).code).toBe(3);
  }, 60_000);

  test('deleting the stack ends with no container, no network and no rule; then it can be applied again', async () => {
    await cluster.must('delete', 'stack', 'hello', '--wait', '--timeout', '60s');
    expect(await cluster.containers()).toEqual([]);
    expect(await cluster.get('services')).toEqual([]);
    expect(await cluster.get('tasks')).toEqual([]);
    await eventually(
      'the bridge network is gone',
      () => !cluster.engine.run('ip', '-br', 'link').includes('orc'),
    );
    expect(cluster.engine.run('nft', 'list', 'tables')).not.toContain('orc');
    await cluster.must('apply', '-f', join(examples, 'hello/stack.yml'), '--wait', '--timeout', '60s');
    await cluster.must('delete', 'stack', 'hello', '--wait', '--timeout', '60s');
  }, 180_000);

  test.each(readdirSync(examples).filter((name) => name !== 'hello'))(
    'the example %s converges',
    async (name) => {
      const path = join(examples, name);
      if (name === 'visits') await ensureRedisImage(cluster.engine.socketPath);
      await cluster.must('apply', '-f', path, '--wait', '--timeout', '90s');
      await cluster.must('delete', '-f', path, '--wait', '--timeout', '60s');
    },
    180_000,
  );
});
