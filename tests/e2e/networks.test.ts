import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../api-schemas/index.ts';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { leftSince, quietRemains, remainsOf, type Remains } from '../harness/lab-leaks.ts';
import { settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const sleeper = (more = ''): string =>
  `{ image: orc.local/hello:1, pullPolicy: never, mode: global, stopGracePeriod: 1s, command: [sh, -c, 'sleep 100000 & wait']${more} }`;
const manifest = (replicas: number): string => `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: shop }
spec:
  networks: { back: { internal: true } }
  services:
    web:
      image: orc.local/hello:1
      pullPolicy: never
      replicas: ${replicas}
      stopGracePeriod: 2s
      ports: [{ published: 8080, target: 80 }, { published: 8081, target: 80, mode: local }]
    tool: ${sleeper()}
    db: ${sleeper(', networks: [{ name: back, aliases: [data] }]')}
    both: ${sleeper(', networks: [{ name: default }, { name: back }]')}
---
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: other }
spec:
  services:
    tool: ${sleeper()}
`;

describe('Networks across engines 20, 26 and 28', () => {
  let lab: Lab;
  let client: LabClient;
  let file: string;
  let before: Remains;
  const orc = (...words: readonly string[]): Promise<string> => lab.node(1).must(['orc', ...words]);
  const apply = async (replicas = 4): Promise<void> => {
    writeFileSync(file, manifest(replicas));
    await orc('apply', '-f', file, '--wait', '--timeout', '3m');
    await settled(lab, client);
  };
  const tasksOf = async (service: string): Promise<readonly Task[]> =>
    (await client.list('Task', { labelSelector: `orc.dev/service=${service}` })).items.filter(
      ({ status }) => status?.state === 'Running',
    );
  const on = async (node: LabNode, service: string): Promise<Task> => {
    const found = (await tasksOf(service)).find(({ spec }) => spec.nodeName === node.name);
    if (found === undefined) throw new Error(`${service} does not run on ${node.name}`);
    return found;
  };
  const addressOf = ({ status }: Task, network?: string): string =>
    status?.addresses?.find((one) => network === undefined || one.network === network)?.ip ?? '';
  /** Runs a command in the container of a task. */
  const within = (node: LabNode, task: Task, script: string) =>
    node.exec(['docker', 'exec', task.status?.containerID ?? '', 'sh', '-c', script]);
  /** Whether a task of `first` is past its first instruction: it does nothing any more, or has failed. */
  const hasEndedOrSleeps = async ({ spec, status }: Task): Promise<boolean> => {
    if (status?.state !== 'Running') return true;
    const { stdout } = await lab.node(spec.nodeName ?? '').exec(['docker', 'top', status.containerID ?? '', '-o', 'pid,args']); // prettier-ignore
    return /\bsleep 100000/.test(stdout) && !stdout.includes('nc ');
  };
  const fetch = (host: string, seconds = 2): string =>
    `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w ${seconds} ${host} 80 | tail -n 1`;

  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 3, engines: ['20', '26', '28'] });
    client = await openLabClient(lab);
    file = join(lab.dir, 'shop.yml');
    // What engines make with their first network, they keep.
    await apply();
    await orc('delete', '-f', file, '--wait');
    await settled(lab, client);
    before = await quietRemains(lab, client);
    await apply();
  }, 600_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test('a service is reached by its name from every node, and answers from all of its tasks', async () => {
    for (const node of lab.nodes) {
      const tool = await on(node, 'shop-tool');
      const { stdout } = await within(node, tool, `for i in $(seq 40); do ${fetch('web')}; done`);
      const answers = stdout.trim().split('\n');
      expect(answers).toHaveLength(40);
      expect(new Set(answers).size).toBe(4);
      expect(answers.every((line) => line.startsWith('hello from '))).toBe(true);
    }
  }, 120_000);

  test('each name says what it is to say', async () => {
    const node = lab.node(1);
    const tool = await on(node, 'shop-tool');
    const lookUp = async (name: string): Promise<readonly string[]> => {
      const { stdout } = await within(node, tool, `nslookup ${name} | tail -n +3`);
      return [...stdout.matchAll(/^Address(?: \d+)?: (\S+)/gm)].map(([, ip]) => ip ?? '').sort();
    };
    const [vip, ...more] = await lookUp('web');
    expect([vip, more]).toEqual([expect.stringMatching(/^10\./), []]);
    for (const name of ['web.shop', 'shop-web', 'web.shop.default.orc.internal'])
      expect([name, await lookUp(name)]).toEqual([name, [vip]]);
    const ready = (await tasksOf('shop-web')).map((task) => addressOf(task)).sort();
    expect(await lookUp('tasks.web')).toEqual(ready);
    expect(await lookUp('2.web')).toHaveLength(1);
    // What is on no network of the asker's has no name for it.
    for (const name of ['db', 'data', 'tool.other', 'other-tool']) expect([name, await lookUp(name)]).toEqual([name, []]); // prettier-ignore
  }, 60_000);

  test('containers reach each other on a network that they share, by address and source, and no others', async () => {
    for (const from of lab.nodes) {
      const [tool, db, both] = await Promise.all([on(from, 'shop-tool'), on(from, 'shop-db'), on(from, 'shop-both')]); // prettier-ignore
      for (const to of lab.nodes) {
        const ping = async (task: Task, ip: string): Promise<string> =>
          `${from.name} to ${to.name} ${(await within(from, task, `ping -c 1 -W 1 ${ip}`)).code}`;
        const yes = `${from.name} to ${to.name} 0`;
        const theirDb = await on(to, 'shop-db');
        expect(await ping(tool, addressOf(await on(to, 'shop-tool')))).toBe(yes);
        expect(await ping(both, addressOf(theirDb))).toBe(yes);
        expect(await ping(db, addressOf(await on(to, 'shop-both'), 'shop-back'))).toBe(yes);
        expect(await ping(tool, addressOf(theirDb))).not.toBe(yes);
        expect(await ping(tool, addressOf(await on(to, 'other-tool')))).not.toBe(yes);
      }
    }
  }, 180_000);

  test('a published port answers on every node, and a local one where a task is', async () => {
    for (const from of lab.nodes)
      for (const to of lab.nodes) {
        const call = `for i in $(seq 60); do curl -s -m 3 http://${to.address}:8080/; done`;
        const answers = (await from.must(['sh', '-c', call])).trim().split('\n');
        expect([from.name, to.name, answers.length, new Set(answers).size]).toEqual([
          from.name,
          to.name,
          60,
          4,
        ]);
      }
    const nodes = new Set((await tasksOf('shop-web')).map(({ spec }) => spec.nodeName));
    for (const to of lab.nodes) {
      const { code } = await lab.node(1).exec(['curl', '-s', '-m', '3', `http://${to.address}:8081/`]);
      expect([to.name, code === 0]).toEqual([to.name, nodes.has(to.name)]);
    }
  }, 120_000);

  test('a container may connect by name with its first instruction: 50 of 50', async () => {
    // On a busy machine it takes more than two seconds until the rules are loaded.
    const first = `${fetch('shop-web', 10)} | grep -q hello && exec sleep 100000`;
    for (let round = 1; round <= 5; round++) {
      writeFileSync(
        `${file}.first`,
        `apiVersion: orc.dev/v1
kind: Service
metadata: { name: first }
spec:
  image: orc.local/hello:1
  pullPolicy: never
  replicas: 10
  stopGracePeriod: 1s
  networks: [{ name: shop-default }]
  command: [sh, -c, ${JSON.stringify(first)}]
`,
      );
      await orc('apply', '-f', `${file}.first`, '--wait', '--timeout', '2m');
      const tasks = await eventually('each has had its answer', async () => {
        const { items } = await client.list('Task', { labelSelector: 'orc.dev/service=first' });
        const asked = await Promise.all(items.map(hasEndedOrSleeps));
        return asked.every(Boolean) && items;
      });
      expect(tasks.map(({ spec, status }) => `${spec.restarts ?? 0} ${status?.state}`)).toEqual(Array(10).fill('0 Running')); // prettier-ignore
      expect(new Set(tasks.map(({ spec }) => spec.nodeName)).size).toBe(3);
      await orc('delete', 'service', 'first', '--wait');
    }
  }, 300_000);

  test('no request fails while the service is scaled out and in', async () => {
    const loads = lab.nodes.map(async (node) => {
      const tool = await on(node, 'shop-tool');
      const loop = `n=0; bad=0; while [ ! -e /tmp/stop ]; do n=$((n+1)); ${fetch('web')} | grep -q hello || bad=$((bad+1)); done; echo $n $bad`;
      return { node, tool, ended: within(node, tool, loop) };
    });
    const running = await Promise.all(loads);
    for (const replicas of [10, 3, 6]) await orc('scale', 'service/shop-web', `--replicas=${replicas}`, '--wait', '--timeout', '2m'); // prettier-ignore
    await settled(lab, client);
    for (const { node, tool } of running) await within(node, tool, 'touch /tmp/stop');
    for (const { node, ended } of running) {
      const [count, bad] = (await ended).stdout.trim().split(' ').map(Number);
      console.log(`${node.name}: ${count} requests, ${bad} failed`);
      expect(count).toBeGreaterThan(50);
      expect([node.name, bad]).toEqual([node.name, 0]);
    }
  }, 240_000);

  test('nothing is left of them when the stacks are gone', async () => {
    await orc('delete', '-f', file, '--wait');
    await settled(lab, client);
    expect(await leftSince(before, () => remainsOf(lab, client))).toEqual([]);
  }, 120_000);
});
