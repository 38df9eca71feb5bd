import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../api-schemas/index.ts';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const hello = 'image: orc.local/hello:1, pullPolicy: never, stopGracePeriod: 1s';
const manifest = `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: f }
spec:
  networks:
    inside: { internal: true }
    alone: { driverOptions: { com.docker.network.bridge.enable_icc: 'false', com.docker.network.container_iface_prefix: lan } }
    open: { attachable: true }
  services:
    inside: { ${hello}, mode: global, networks: [{ name: inside }], ports: [{ published: 8091, target: 80 }, { published: 8092, target: 80, mode: local }] }
    alone: { ${hello}, mode: global, networks: [{ name: alone }] }
    open: { ${hello}, mode: global, networks: [{ name: open }] }
    range: { ${hello}, mode: global, ports: [{ published: 8100, endPort: 8102, target: 80 }, { published: 8100, target: 53, protocol: udp }, { target: 80, hostIP: 10.77.0.12 }] }
`;

describe('The fields of networks and ports, on engines 20, 26 and 28', () => {
  let lab: Lab;
  let client: LabClient;
  const orc = (...words: readonly string[]): Promise<string> => lab.node(1).must(['orc', ...words]);
  const write = (text: string): string => {
    const file = join(lab.dir, 'f.yml');
    writeFileSync(file, text);
    return file;
  };
  const on = async (node: LabNode, service: string): Promise<Task> => {
    const { items } = await client.list('Task', { labelSelector: `orc.dev/service=${service}` });
    const task = items.find(({ spec, status }) => spec.nodeName === node.name && status?.state === 'Running');
    if (task === undefined) throw new Error(`${service} does not run on ${node.name}`);
    return task;
  };
  const engineNetwork = async (node: LabNode, name: string): Promise<string> =>
    (
      await node.must(['docker', 'network', 'ls', '--format', '{{.Name}}', '--filter', `name=${name}`])
    ).trim();
  const get = (from: LabNode, url: string) => from.exec(['curl', '-s', '-m', '5', url]);

  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 3, engines: ['20', '26', '28'] });
    client = await openLabClient(lab);
    await orc('apply', '-f', write(manifest), '--wait', '--timeout', '3m');
    await settled(lab, client);
  }, 600_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test('ports of an internal network answer on every node, and its containers have no way out', async () => {
    for (const from of lab.nodes)
      for (const to of lab.nodes)
        for (const port of [8091, 8092]) {
          const call = `for i in 1 2 3 4 5 6; do curl -s -m 3 http://${to.address}:${port}/ || echo failed; done`;
          const answers = (await from.must(['sh', '-c', call])).trim().split('\n');
          const good = answers.filter((line) => line.startsWith('hello from ')).length;
          expect([from.name, to.name, port, good]).toEqual([from.name, to.name, port, 6]);
        }
    for (const [i, node] of lab.nodes.entries()) {
      const { status } = await on(node, 'f-inside');
      const other = lab.node(((i + 1) % 3) + 1).address;
      const out = `nc -w 2 ${other} 6750 < /dev/null`;
      const { code } = await node.exec(['docker', 'exec', status?.containerID ?? '', 'sh', '-c', out]);
      expect([node.name, code === 0]).toEqual([node.name, false]);
    }
  }, 180_000);

  test('options of the bridge are the engine’s', async () => {
    for (const node of lab.nodes) {
      const options = await node.must([
        ...['docker', 'network', 'inspect', '-f', '{{json .Options}}', await engineNetwork(node, 'f-alone')],
      ]);
      expect(JSON.parse(options)).toMatchObject({
        'com.docker.network.bridge.enable_icc': 'false',
        'com.docker.network.container_iface_prefix': 'lan',
      });
      const { status } = await on(node, 'f-alone');
      const links = await node.must(['docker', 'exec', status?.containerID ?? '', 'ip', 'link']);
      expect(links).toContain('lan0');
    }
  }, 60_000);

  test('a stranger gets no address of a network, but where it is attachable, and then no task’s', async () => {
    for (const node of lab.nodes) {
      const join = async (name: string) =>
        node.exec([
          ...['docker', 'run', '-d', '--name', `stranger-${name}`],
          ...['--network', await engineNetwork(node, `f-${name}`), 'orc.local/hello:1'],
        ]);
      expect((await join('alone')).stderr).toContain('no available IPv4 addresses');
      const { code, stderr } = await join('open');
      expect([node.name, code, stderr]).toEqual([node.name, 0, '']);
      const ip = async (id: string): Promise<string> =>
        (await node.must(['docker', 'inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', id])).trim(); // prettier-ignore
      const own = (await on(node, 'f-open')).status?.addresses?.[0]?.ip ?? '';
      const theirs = await ip('stranger-open');
      const answer = `printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 ${own} 80`;
      expect(await node.must(['docker', 'exec', 'stranger-open', 'sh', '-c', answer])).toContain(
        'hello from',
      );
      expect(theirs).not.toBe(own);
      await node.must(['docker', 'rm', '-f', 'stranger-open', 'stranger-alone']);
    }
  }, 120_000);

  test('a range is each of its ports on every node, one number for TCP and UDP, and an address of one node', async () => {
    for (const to of lab.nodes) {
      expect([to.name, (await get(lab.node(1), `http://${to.address}:8100/`)).stdout]).toEqual([to.name, expect.stringMatching(/^hello/)]); // prettier-ignore
      // Nothing listens on ports 81 and 82 of the containers: they, and not the node, refuse.
      expect((await get(lab.node(1), `http://${to.address}:8101/`)).code).toBe(7);
    }
    const row = await orc('get', 'services', 'f-range');
    expect(row).toMatch(/8100-8102->80-82\/tcp, ?8100->53\/udp/);
    const chosen = /10\.77\.0\.12:(3\d{4})->80\/tcp/.exec(row)?.[1] ?? '';
    expect((await get(lab.node(1), `http://10.77.0.12:${chosen}/`)).stdout).toMatch(/^hello/);
    expect((await get(lab.node(1), `http://10.77.0.13:${chosen}/`)).code).not.toBe(0);
    for (const node of lab.nodes)
      expect(await node.must(['nft', 'list', 'ruleset'])).toMatch(/udp \. 8100 : goto/);
  }, 60_000);

  test('a port that another service has is refused by its name, also inside of a range', async () => {
    const file = write(
      `{ apiVersion: orc.dev/v1, kind: Service, metadata: { name: late }, spec: { ${hello}, ports: [{ published: 8095, endPort: 8101, target: 80 }] } }`,
    );
    const { code, stderr, stdout } = await lab.node(1).exec(['orc', 'apply', '-f', file]);
    expect(code).not.toBe(0);
    expect(stderr + stdout).toMatch(
      /spec\.ports\[0\]\.published: .*8100\/tcp is already published by service default\/f-range/,
    );
  }, 60_000);

  test('an external network is used where it is; a node that lacks it is named until it has it', async () => {
    for (const node of [lab.node(1), lab.node(2)]) await node.must(['docker', 'network', 'create', 'lan']);
    await orc(
      ...['apply', '--no-wait', '-f'],
      write(`
apiVersion: orc.dev/v1
kind: Network
metadata: { name: lan }
spec: { external: lan }
---
apiVersion: orc.dev/v1
kind: Service
metadata: { name: ext }
spec: { ${hello}, mode: global, networks: [{ name: lan }], macAddress: '02:00:00:00:00:01' }
`),
    );
    await eventually('two run, and the third says why not', async () => {
      const { items } = await client.list('Task', { labelSelector: 'orc.dev/service=ext' });
      const waiting = items.find(({ spec }) => spec.nodeName === 'n3')?.status;
      return (
        items.filter(({ status }) => status?.state === 'Running').length === 2 &&
        waiting?.reason === 'ExternalNetworkMissing' &&
        /node n3 has no network lan in its engine/.test(waiting.message ?? '')
      );
    });
    await lab.node(3).must(['docker', 'network', 'create', 'lan']);
    await orc('wait', 'service/ext', '--for', 'condition=Ready', '--timeout', '1m');
    for (const node of lab.nodes) {
      const { status } = await on(node, 'ext');
      expect(await node.must(['docker', 'exec', status?.containerID ?? '', 'ip', 'link'])).toContain(
        '02:00:00:00:00:01',
      );
    }
    await orc('delete', 'service', 'ext', '--wait');
    expect(await engineNetwork(lab.node(1), 'lan')).toContain('lan');
  }, 120_000);

  test('a network of an engine is in the way of a subnet, by its name', async () => {
    await lab.node(2).must(['docker', 'network', 'create', '--subnet', '10.99.0.0/16', 'theirs']);
    await eventually(
      'the node says it',
      async () =>
        (await client.get('Node', { name: 'n2' })).status?.routes?.some(
          ({ of }) => of === 'engine network theirs',
        ),
      60_000,
    );
    await orc(
      ...['apply', '--no-wait', '-f'],
      write(
        '{ apiVersion: orc.dev/v1, kind: Network, metadata: { name: mine }, spec: { subnet: 10.99.16.0/20 } }',
      ),
    );
    await eventually('it is refused', async () =>
      (await client.get('Network', { name: 'mine' })).status?.conditions?.some(
        ({ type, message }) =>
          type === 'Allocated' && message.includes('10.99.0.0/16 of node n2 (engine network theirs)'),
      ),
    );
  }, 120_000);
});
