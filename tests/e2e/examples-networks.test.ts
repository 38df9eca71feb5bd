import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Task } from '../../api-schemas/index.ts';
import { ensureRedisImage } from '../../scripts/redis-image.mjs';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const example = (path: string): string =>
  readFileSync(fileURLToPath(new URL(`../../manifests/examples/${path}`, import.meta.url)), 'utf8');

describe('The examples with networks, on engines 20, 26 and 28', () => {
  let lab: Lab;
  let client: LabClient;
  const orc = (...words: readonly string[]): Promise<string> => lab.node(1).must(['orc', ...words]);
  const apply = async (text: string): Promise<void> => {
    const file = join(lab.dir, 'example.yml');
    writeFileSync(file, text);
    await orc('apply', '-f', file, '--wait', '--timeout', '3m');
  };
  const tasksOf = async (service: string): Promise<readonly Task[]> =>
    (await client.list('Task', { labelSelector: `orc.dev/service=${service}` })).items.filter(
      ({ spec, status }) => status?.state === 'Running' && spec.desiredState === 'Running',
    );
  const one = async (service: string): Promise<Task> => {
    const [task] = await tasksOf(service);
    if (task === undefined) throw new Error(`no task of ${service} runs`);
    return task;
  };
  /** Runs a command in the container of a task. */
  const within = (task: Task, script: string) =>
    lab
      .node(task.spec.nodeName ?? '')
      .exec(['docker', 'exec', task.status?.containerID ?? '', 'sh', '-c', script]);
  const get = async (from: LabNode, address: string, port: number): Promise<string> =>
    (await from.exec(['curl', '-s', '-m', '5', `http://${address}:${port}/`])).stdout.trim();
  const call = (host: string): string => `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${host} 80`;

  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 3, engines: ['20', '26', '28'] });
    client = await openLabClient(lab);
    await Promise.all(lab.nodes.map((node) => ensureRedisImage(node.socketPath)));
  }, 600_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test('two-networks: a service between two networks reaches both, and they do not reach each other', async () => {
    await apply(example('two-networks/stack.yml'));
    const [web, api, store] = await Promise.all(['web', 'api', 'store'].map((name) => one(`two-networks-${name}`))); // prettier-ignore
    if (web === undefined || api === undefined || store === undefined) throw new Error('a task is missing');
    for (const [from, host, isAnswered] of [
      [api, 'store', true],
      [api, 'db', true],
      [api, 'web', true],
      [web, 'api', true],
      [store, 'api', true],
      [web, 'store', false],
      [web, 'db', false],
      [store, 'web', false],
    ] as const) {
      const { stdout } = await within(from, call(host));
      expect([from.spec.service, host, stdout.includes('hello from')]).toEqual([from.spec.service, host, isAnswered]); // prettier-ignore
    }
    // Not by address either, and with no way out: the API of a manager listens on every node.
    const address = store.status?.addresses?.[0]?.ip ?? '';
    expect((await within(web, call(address))).stdout).toBe('');
    const out = `nc -w 2 ${lab.node(2).address} 6750 < /dev/null`;
    expect((await within(web, out)).code).toBe(0);
    const outward = lab.nodes.find(({ name }) => name !== store.spec.nodeName)?.address ?? '';
    expect((await within(store, `nc -w 2 ${outward} 6750 < /dev/null`)).code).not.toBe(0);
    for (const node of lab.nodes) expect(await get(lab.node(1), node.address, 8088)).toMatch(/^hello from /);
    await orc('delete', 'stack', 'two-networks', '--wait');
  }, 240_000);

  test('visits: a page, an API and a database that keeps what it was told when it is killed', async () => {
    const pinned = example('visits/stack.yml').replace(
      /# (placement: .*) n1/,
      (_, line: string) => `${line} n2`,
    );
    expect(pinned).toContain('      placement: { constraints: [node.hostname == n2] }');
    await apply(pinned);
    let last = 0;
    const visit = async (node: LabNode): Promise<string> => {
      const [, count, by = ''] =
        /^visit (\d+), by (\w+)$/.exec(await get(lab.node(1), node.address, 8089)) ?? [];
      expect([node.name, Number(count)]).toEqual([node.name, last + 1]);
      last += 1;
      return by;
    };
    for (const node of lab.nodes) await visit(node);
    await orc('scale', 'service/visits-api', '--replicas', '5', '--wait', '--timeout', '2m');
    const answered = new Set<string>();
    for (let i = 0; i < 60; i++) answered.add(await visit(lab.node((i % 3) + 1)));
    expect(answered.size).toBe(5);

    // Nobody but the API is on the network of the database.
    const web = await one('visits-web');
    expect((await within(web, "printf 'PING\\r\\n' | nc -w 2 db 6379")).stdout).toBe('');

    const before = await one('visits-db');
    expect(before.spec.nodeName).toBe('n2');
    await lab.node(2).must(['docker', 'kill', before.status?.containerID ?? '']);
    await eventually('another container of the database runs, and the API reaches it', async () => {
      const [now] = await tasksOf('visits-db');
      if (now === undefined || now.metadata.uid === before.metadata.uid) return undefined;
      const { stdout } = await within(await one('visits-api'), "printf 'GET visits\\r\\nQUIT\\r\\n' | nc -w 2 db 6379"); // prettier-ignore
      return stdout.split('\r\n')[1] === String(last);
    });
    await orc('wait', 'service/visits-api', '--for', 'condition=Ready', '--timeout', '1m');
    for (const node of lab.nodes) await visit(node);
    await orc('delete', 'stack', 'visits', '--wait');
  }, 300_000);

  test('local-port: the nodes with a task answer, and the task sees who asks', async () => {
    await apply(example('local-port/service.yml'));
    const nodes = new Set((await tasksOf('local-port')).map(({ spec }) => spec.nodeName));
    expect(nodes.size).toBe(2);
    for (const from of lab.nodes)
      for (const to of lab.nodes.filter((node) => node !== from)) {
        const seen = /sees (\S+)$/.exec(await get(from, to.address, 8086))?.[1];
        expect([from.name, to.name, seen]).toEqual([from.name, to.name, nodes.has(to.name) ? from.address : undefined]); // prettier-ignore
      }
    await orc('delete', 'service', 'local-port', '--wait');
  }, 120_000);
});
