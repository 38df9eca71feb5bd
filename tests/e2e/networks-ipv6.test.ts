import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../api-schemas/index.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { leftSince, quietRemains, remainsOf, type Remains } from '../harness/lab-leaks.ts';
import { settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const sleeper = (more = ''): string =>
  `{ image: orc.local/hello:1, pullPolicy: never, mode: global, stopGracePeriod: 1s, command: [sh, -c, 'sleep 100000 & wait']${more} }`;
const manifest = `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: six }
spec:
  networks: { default: { ipv6: true }, back: { ipv6: true, internal: true } }
  services:
    web:
      image: orc.local/hello:1
      pullPolicy: never
      mode: global
      stopGracePeriod: 1s
      command: [httpd, -f, -v, -p, '[::]:80', -h, /etc]
      ports: [{ published: 8080, target: 80 }]
    tool: ${sleeper()}
    db: ${sleeper(', networks: [{ name: back }]')}
    both: ${sleeper(', networks: [{ name: default }, { name: back }]')}
---
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: four }
spec: { services: { tool: ${sleeper()} } }
---
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: far }
spec: { networks: { default: { ipv6: true } }, services: { tool: ${sleeper()} } }
`;

describe('Networks with IPv6 across engines 20, 26 and 28', () => {
  let lab: Lab;
  let client: LabClient;
  let file: string;
  let before: Remains;
  const orc = (...words: readonly string[]): Promise<string> => lab.node(1).must(['orc', ...words]);
  const apply = async (): Promise<void> => {
    await orc('apply', '-f', file, '--wait', '--timeout', '3m');
    await settled(lab, client);
  };
  const on = async (node: LabNode, service: string): Promise<Task> => {
    const { items } = await client.list('Task', { labelSelector: `orc.dev/service=${service}` });
    const found = items.find(
      ({ spec, status }) => spec.nodeName === node.name && status?.state === 'Running',
    );
    if (found === undefined) throw new Error(`${service} does not run on ${node.name}`);
    return found;
  };
  const ip6 = ({ status }: Task, network?: string): string =>
    status?.addresses?.find(
      (one) => one.ip.includes(':') && (network === undefined || one.network === network),
    )?.ip ?? 'no IPv6';
  const within = (node: LabNode, task: Task, script: string) =>
    node.exec(['docker', 'exec', task.status?.containerID ?? '', 'sh', '-c', script]);
  const outer = (node: LabNode): string => `fd77::${node.address.split('.').at(-1) ?? ''}`;

  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 3, engines: ['20', '26', '28'] });
    client = await openLabClient(lab);
    file = join(lab.dir, 'six.yml');
    writeFileSync(file, manifest);
    for (const node of lab.nodes)
      await node.must(['sh', '-c', `dev=$(ip -o -4 addr show to ${node.address} | awk '{print $2}'); ip addr add ${outer(node)}/64 dev "$dev" nodad`]); // prettier-ignore
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

  test('a prefix of the cluster is shown, and each task has the address that follows', async () => {
    const subnet6 = (await client.list('Network')).items.find(({ metadata }) => metadata.name === 'six-default')?.status?.subnet6 ?? 'none'; // prettier-ignore
    expect(subnet6).toMatch(/^fd.*::\/64$/);
    expect(await orc('get', 'networks', '-o', 'wide')).toContain(subnet6);
    expect(await orc('describe', 'network', 'six-default')).toContain(subnet6);
    for (const node of lab.nodes)
      expect(ip6(await on(node, 'six-tool'))).toContain(subnet6.slice(0, subnet6.indexOf('::')));
  }, 60_000);

  test('containers reach each other on a network that they share, by address, and no others', async () => {
    for (const from of lab.nodes) {
      const [tool, db, both] = await Promise.all([on(from, 'six-tool'), on(from, 'six-db'), on(from, 'six-both')]); // prettier-ignore
      for (const to of lab.nodes) {
        const ping = async (what: string, task: Task, ip: string): Promise<string> =>
          `${what} ${from.name} to ${to.name} ${(await within(from, task, `ping -6 -c 1 -W 2 ${ip}`)).code}`;
        const yes = (what: string): string => `${what} ${from.name} to ${to.name} 0`;
        const theirDb = ip6(await on(to, 'six-db'));
        expect(await ping('tool', tool, ip6(await on(to, 'six-tool')))).toBe(yes('tool'));
        expect(await ping('both', both, theirDb)).toBe(yes('both'));
        expect(await ping('db', db, ip6(await on(to, 'six-both'), 'six-back'))).toBe(yes('db'));
        expect(await ping('apart', tool, theirDb)).not.toBe(yes('apart'));
        expect(await ping('far', tool, ip6(await on(to, 'far-tool')))).not.toBe(yes('far'));
        // Its own node it reaches, as in IPv4: that is no way out.
        if (to !== from) expect(await ping('inside', db, outer(to))).not.toBe(yes('inside'));
      }
    }
  }, 300_000);

  test('names give what there is, and lead to every task with the source address kept', async () => {
    for (const node of lab.nodes) {
      const tool = await on(node, 'six-tool');
      const lookUp = async (name: string): Promise<readonly string[]> => {
        const { stdout } = await within(node, tool, `nslookup -type=aaaa ${name} | tail -n +3`);
        return [...stdout.matchAll(/^Address(?: \d+)?: (\S+)/gm)].map(([, ip]) => ip ?? '').sort();
      };
      const all = (await Promise.all(lab.nodes.map((each) => on(each, 'six-web')))).map((task) => ip6(task));
      expect([node.name, await lookUp('tasks.web')]).toEqual([node.name, all.sort()]);
      const [vip = '', ...more] = await lookUp('web');
      expect([vip, more]).toEqual([expect.stringMatching(/^fd/), []]);
      expect(await lookUp('tool.four')).toEqual([]);
      const call = `for i in $(seq 30); do printf 'GET /hostname HTTP/1.0\\r\\n\\r\\n' | nc -w 3 ${vip} 80 | tail -n 1; done`;
      const answers = (await within(node, tool, call)).stdout.trim().split('\n');
      expect([node.name, answers.length, new Set(answers).size]).toEqual([node.name, 30, 3]);
    }
    for (const node of lab.nodes) {
      // httpd -v says who asked.
      const { stdout, stderr } = await node.exec(['docker', 'logs', (await on(node, 'six-web')).status?.containerID ?? '']); // prettier-ignore
      const tools = (await Promise.all(lab.nodes.map((each) => on(each, 'six-tool')))).map((task) => ip6(task)); // prettier-ignore
      for (const ip of tools) expect(`${stdout}${stderr}`).toContain(ip);
    }
  }, 180_000);

  test('a published port answers by IPv6 on every node, from every task', async () => {
    for (const from of lab.nodes)
      for (const to of lab.nodes) {
        const call = `for i in $(seq 30); do curl -g -s -m 3 'http://[${outer(to)}]:8080/hostname'; done`;
        const answers = (await from.must(['sh', '-c', call])).trim().split('\n');
        expect([from.name, to.name, answers.length, new Set(answers).size]).toEqual([
          ...[from.name, to.name],
          ...[30, 3],
        ]);
      }
  }, 120_000);

  test('what may leave does so in the name of the node', async () => {
    for (const from of lab.nodes)
      for (const to of lab.nodes.filter((node) => node !== from)) {
        const { code } = await within(from, await on(from, 'six-tool'), `ping -6 -c 1 -W 2 ${outer(to)}`);
        expect([from.name, to.name, code]).toEqual([from.name, to.name, 0]);
      }
  }, 60_000);

  test('nothing is left of them when the stacks are gone', async () => {
    await orc('delete', '-f', file, '--wait');
    await settled(lab, client);
    expect(await leftSince(before, () => remainsOf(lab, client))).toEqual([]);
  }, 120_000);
});
