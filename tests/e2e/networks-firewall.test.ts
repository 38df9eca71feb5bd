import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Task } from '../../api-schemas/index.ts';
import { formCluster } from '../lab/orc.ts';
import { eventually } from '../harness/cluster.ts';
import { openFirewall, startFirewalld, type HostFirewall } from '../harness/firewalls.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const manifest = `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: shop }
spec:
  services:
    web:
      image: orc.local/hello:1
      pullPolicy: never
      mode: global
      stopGracePeriod: 1s
      ports: [{ published: 8080, target: 80 }]
    tool:
      image: orc.local/hello:1
      pullPolicy: never
      mode: global
      stopGracePeriod: 1s
      command: [sh, -c, 'sleep 100000 & wait']
`;
const count = 12;

describe('Networks behind firewalls: ufw (engine 20), firewalld (26), and ufw that is enabled while orc runs (28)', () => {
  let lab: Lab;
  let client: LabClient;
  let [ufw, firewalld, later]: HostFirewall[] = [];
  const use = (firewall: HostFirewall | undefined): HostFirewall => {
    if (firewall === undefined) throw new Error('the firewalls were not made');
    return firewall;
  };
  const problemsOf = async ({ name }: LabNode): Promise<readonly string[]> =>
    ((await client.get('Node', { name })).status?.network?.problems ?? [])
      .filter(({ reason }) => reason === 'FirewallDrops')
      .map(({ message }) => message);
  const toolOn = async (node: LabNode): Promise<Task> => {
    const { items } = await client.list('Task', { labelSelector: 'orc.dev/service=shop-tool' });
    const task = items.find(({ spec, status }) => spec.nodeName === node.name && status?.state === 'Running');
    if (task === undefined) throw new Error(`no tool runs on ${node.name}`);
    return task;
  };
  const within = async (node: LabNode, script: string): Promise<string> => {
    const id = (await toolOn(node)).status?.containerID ?? '';
    return (await node.exec(['docker', 'exec', id, 'sh', '-c', script])).stdout;
  };
  const answers = (text: string): number => text.split('\n').filter((line) => line.startsWith('hello from ')).length; // prettier-ignore
  /** What does not work: by name and virtual IP from a container on each node, and by the port of each node. */
  const failing = async (): Promise<readonly string[]> => {
    const inside = lab.nodes.map(async (node) => {
      const call = `for i in $(seq ${count}); do printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 web 80; done`;
      const found = answers(await within(node, call));
      return found === count ? [] : [`${node.name}: ${found} of ${count} by name`];
    });
    const outside = lab.nodes.flatMap((from) =>
      lab.nodes.map(async (to) => {
        const call = `for i in $(seq ${count}); do curl -s -m 2 http://${to.address}:8080/; done`;
        const found = answers((await from.exec(['sh', '-c', call])).stdout);
        return found === count ? [] : [`${from.name} to ${to.name}: ${found} of ${count} by port`];
      }),
    );
    return (await Promise.all([...inside, ...outside])).flat();
  };
  const works = (when: string): Promise<true> =>
    eventually(`all works ${when}`, async () => {
      const left = await failing();
      if (left.length > 0) console.log(`${when}: ${left.join('; ')}`);
      return left.length === 0;
    });
  const inputRules = (node: LabNode): Promise<string> => node.must(['iptables', '-S', 'INPUT']);

  beforeAll(async () => {
    lab = await startLab({ nodes: 3, engines: ['20', '26', '28'] });
    [ufw, firewalld, later] = await Promise.all(lab.nodes.map(openFirewall));
    await use(ufw)('ufw', 'allow', '6750,6751/tcp');
    await use(ufw)('ufw', '--force', 'enable');
    await startFirewalld(lab.node(2), use(firewalld));
    await use(firewalld)('firewall-cmd', '--permanent', '--add-port=6750-6751/tcp');
    await use(firewalld)('firewall-cmd', '--reload');
    await formCluster(lab.nodes, 3, () => undefined);
    client = await openLabClient(lab, lab.nodes);
    const file = join(lab.dir, 'shop.yml');
    writeFileSync(file, manifest);
    await lab.node(1).must(['orc', 'apply', '-f', file, '--wait', '--timeout', '2m']);
    await settled(lab, client);
  }, 600_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test('names are answered whatever the firewall drops; what orc does not open by itself the node says, with the remedy', async () => {
    for (const node of lab.nodes)
      await eventually(`names are answered on ${node.name}`, async () =>
        /Address: 10\./.test(await within(node, 'nslookup web | tail -n +3')),
      );
    const told = await eventually('both nodes say it', async () => {
      const [first = [], second = [], third = []] = await Promise.all(lab.nodes.map(problemsOf));
      return first.length > 0 && second.length > 0 && { first, second, third };
    });
    expect(told.first).toEqual([expect.stringMatching(/drops UDP 4789 from 10\.77\.0\.12 and 1 other.*`ufw allow proto udp from/)]); // prettier-ignore
    expect(told.second).toEqual([expect.stringMatching(/drops UDP 4789 from 10\.77\.0\.11 and 1 other.*`firewall-cmd --permanent --add-port=4789\/udp/)]); // prettier-ignore
    expect(told.third).toEqual([]);
    expect(await failing()).not.toEqual([]);
  }, 180_000);

  test('all works once that port is opened, also behind a firewall that is enabled while orc runs', async () => {
    await use(ufw)('ufw', 'allow', 'proto', 'udp', 'from', '10.77.0.0/24', 'to', 'any', 'port', '4789');
    await use(firewalld)('firewall-cmd', '--permanent', '--add-port=4789/udp');
    await use(firewalld)('firewall-cmd', '--reload');
    await use(later)('ufw', 'allow', '6750,6751/tcp');
    await use(later)('ufw', 'allow', '4789/udp');
    await use(later)('ufw', '--force', 'enable');
    await works('with the port open');
    await eventually(
      'no node says anything of it',
      async () => (await Promise.all(lab.nodes.map(problemsOf))).every((each) => each.length === 0),
      60_000,
    );
  }, 180_000);

  test('it works again within seconds when the firewall is loaded anew, or flushed', async () => {
    await Promise.all([
      use(ufw)('ufw', 'reload'),
      use(firewalld)('firewall-cmd', '--reload'),
      // All rules of orc at once, as whoever loads a file of rules does it.
      lab
        .node(3)
        .must(['sh', '-c', "iptables-save -t filter | grep -v 'orc: names\\|connmark' | iptables-restore"]),
    ]);
    await works('after the firewalls were loaded anew');
    for (const node of [lab.node(1), lab.node(3)])
      await eventually(`the rule of orc is back on ${node.name}`, async () =>
        (await inputRules(node)).includes('orc: names'),
      );
  }, 180_000);

  test('what orc put into the firewall goes when it is not needed any more', async () => {
    await use(ufw)('ufw', 'disable');
    await eventually('the rule of orc is gone', async () => !(await inputRules(lab.node(1))).includes('orc'));
    await works('without ufw');
  }, 120_000);
});
