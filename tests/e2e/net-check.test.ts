import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Condition } from '../../api-schemas/index.ts';
import { eventually } from '../harness/cluster.ts';
import { openLabClient, type LabClient } from '../harness/lab-client.ts';
import { settled } from '../harness/lab-world.ts';
import { startLab, type Lab, type LabNode } from '../harness/lab.ts';

const sleeper = (network = 'default'): string =>
  `{ image: orc.local/hello:1, pullPolicy: never, mode: global, stopGracePeriod: 1s, networks: [{ name: ${network} }], command: [sh, -c, 'sleep 100000 & wait'] }`;
const manifest = `
apiVersion: orc.dev/v1
kind: Stack
metadata: { name: shop }
spec:
  networks: { back: { internal: true } }
  services:
    web:
      image: orc.local/hello:1
      pullPolicy: never
      mode: global
      stopGracePeriod: 2s
      ports: [{ published: 8080, target: 80 }]
    tool: ${sleeper()}
    db: ${sleeper('back')}
`;

interface Problem {
  readonly step: string;
  readonly from: readonly string[];
  readonly to?: string;
  readonly message: string;
  readonly remedy: string;
}

describe('orc net check on engines 20, 26 and 28', () => {
  let lab: Lab;
  let client: LabClient;

  /** What the check says, with its exit code and its steps as `step from>to`. */
  const check = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await lab.node(1).exec(['orc', 'net', 'check', '-o', 'json', ...words]);
    if (stdout === '') throw new Error(stderr);
    const { problems } = JSON.parse(stdout) as { readonly problems: readonly Problem[] };
    const steps = problems.map(
      ({ step, from, to }) => `${step} ${from.join()}${to === undefined ? '' : `>${to}`}`,
    );
    return { code, problems, steps };
  };
  const nft = (node: LabNode, ...words: readonly string[]): Promise<string> => node.must(['nft', ...words]);
  const block = async (node: LabNode, chain: 'input' | 'forward', rule: readonly string[]): Promise<void> => {
    await nft(node, 'add', 'table', 'inet', 'cut');
    await nft(node, 'add', 'chain', 'inet', 'cut', 'c', `{ type filter hook ${chain} priority -10; }`);
    await nft(node, 'add', 'rule', 'inet', 'cut', 'c', ...rule);
  };
  const unblock = (node: LabNode): Promise<string> => nft(node, 'delete', 'table', 'inet', 'cut');
  const conditionOf = async (
    kind: 'Node' | 'Network',
    name: string,
    type: string,
  ): Promise<Condition | undefined> =>
    (await client.get(kind, { name })).status?.conditions?.find((condition) => condition.type === type);
  const isWell = (): Promise<true | undefined> => check().then(({ code }) => (code === 0 ? true : undefined));

  beforeAll(async () => {
    lab = await startLab({ nodes: 3, managers: 3, engines: ['20', '26', '28'] });
    client = await openLabClient(lab);
    const file = join(lab.dir, 'shop.yml');
    writeFileSync(file, manifest);
    await lab.node(1).must(['orc', 'apply', '-f', file, '--wait', '--timeout', '3m']);
    await settled(lab, client);
  }, 300_000);
  afterAll(async () => {
    client?.close();
    await lab?.close();
  }, 60_000);

  test('says that all is well, and ends with 0', async () => {
    await eventually('all is well', isWell);
    const { code, stdout } = await lab.node(2).exec(['orc', 'net', 'check']);
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(
        /all is well: 3 nodes, 12 paths on 2 networks, 9 names, 9 virtual IPs, 27 endpoints, 3 published ports tried/,
      ),
    ]);
    const back = await check('--network', 'shop-back');
    expect([back.code, back.problems]).toEqual([0, []]);
  }, 120_000);

  test('names the direction of a path that is cut; conditions and events come, and go when it is healed', async () => {
    const [n1, n2] = [lab.node(1), lab.node(2)];
    await block(n2, 'input', ['ip', 'saddr', n1.address, 'udp', 'dport', '4789', 'drop']);
    const { code, steps, problems } = await check();
    expect([code, steps]).toEqual([1, ['tunnel n1>n2']]);
    expect(problems[0]?.remedy).toBe(`open UDP 4789 from ${n1.address} to ${n2.address}`);
    // What else goes over the path fails with it, and is not told apart.
    expect(problems[0]?.message).toMatch(/\d+ connections over it fail, too/);
    for (const name of ['n1', 'n2'])
      await eventually(
        `${name} says so`,
        async () =>
          (await conditionOf('Node', name, 'NetworkReachable'))?.message.includes(
            `what n1 sends to n2 does not arrive: open UDP 4789 from ${n1.address} to ${n2.address}`,
          ),
        90_000,
      );
    expect(await conditionOf('Node', 'n3', 'NetworkReachable')).toBeUndefined();
    await eventually('the network says so', async () =>
      (await conditionOf('Network', 'shop-default', 'Reachable'))?.message.includes('between n1 and n2'),
    );
    const { items } = await client.list('Event');
    expect(
      items.filter(({ reason }) => reason === 'PathFails').map(({ involvedObject }) => involvedObject.name),
    ).toEqual(expect.arrayContaining(['n1', 'n2']));

    await unblock(n2);
    await eventually(
      'nothing is said any more',
      async () =>
        (
          await Promise.all([
            ...['n1', 'n2'].map((name) => conditionOf('Node', name, 'NetworkReachable')),
            ...['shop-default', 'shop-back'].map((name) => conditionOf('Network', name, 'Reachable')),
          ])
        ).every((condition) => condition === undefined),
      90_000,
    );
    await eventually('all is well', isWell);
  }, 300_000);

  test('tells a path that swallows large packets, and how large they may be', async () => {
    const [n1, n3] = [lab.node(1), lab.node(3)];
    const rule = ['ip', 'saddr', n1.address, 'udp', 'dport', '4789', 'meta', 'length', 'gt', '1400', 'drop'];
    await block(n3, 'input', rule);
    const { code, steps, problems } = await check();
    await unblock(n3);
    expect([code, steps]).toEqual([1, ['mtu n1>n3']]);
    expect(problems[0]?.message).toContain('1350 bytes do');
  }, 120_000);

  test('tells a tunnel that cannot be made, and the node says so as long as that is', async () => {
    const n2 = lab.node(2);
    const { vni = 0 } = (await client.get('Network', { name: 'shop-default' })).status ?? {};
    const tunnels = JSON.parse(
      await n2.must(['ip', '-j', '-d', 'link', 'show', 'type', 'vxlan']),
    ) as readonly {
      readonly ifname: string;
      readonly linkinfo: { readonly info_data: { readonly id: number } };
    }[];
    const device = tunnels.find(({ linkinfo }) => linkinfo.info_data.id === vni)?.ifname ?? '';
    // Another device takes its number before the agent makes it anew.
    const lines = [
      `link del ${device}`,
      `link add foreign type vxlan id ${vni} dstport 4789 local ${n2.address}`,
    ];
    await n2.must(['ip', '-batch', '-'], { input: `${lines.join('\n')}\n` });
    const said = await eventually(
      'the node says so',
      () => conditionOf('Node', 'n2', 'NetworkReady'),
      60_000,
    );
    expect([said.status, said.reason]).toEqual(['False', 'TunnelsFailed']);
    const { code, steps } = await check();
    expect([code, steps]).toEqual([1, ['local n2', 'tunnel n2']]);
    await n2.must(['ip', 'link', 'del', 'foreign']);
    await eventually(
      'the node does not say so any more',
      async () => (await conditionOf('Node', 'n2', 'NetworkReady')) === undefined,
      60_000,
    );
    await eventually('all is well', isWell);
  }, 300_000);

  test('tells the backend of a published port that a rule cuts off, with its task and node', async () => {
    const { items } = await client.list('Task', { labelSelector: 'orc.dev/service=shop-web' });
    const task = items.find(({ spec, status }) => spec.nodeName === 'n2' && status?.state === 'Running');
    const ip = task?.status?.addresses?.[0]?.ip ?? '';
    await block(lab.node(2), 'forward', ['ip', 'daddr', ip, 'tcp', 'dport', '80', 'drop']);
    const { code, problems } = await check();
    await unblock(lab.node(2));
    expect(code).toBe(1);
    const port = problems.find(({ step }) => step === 'port');
    expect(port).toMatchObject({ from: expect.arrayContaining(['n1', 'n3']), to: 'n2' });
    expect(port?.message).toBe(
      `the published port 8080/tcp of service default/shop-web: its backend ${ip}:80 does not answer (task ${task?.metadata.name ?? ''} on n2)`,
    );
    expect(problems.find(({ step }) => step === 'endpoint')).toMatchObject({ to: 'n2' });
  }, 120_000);

  test('says of a node whose agent is away that it is, waits for none, and blames no path', async () => {
    lab.node(3).partition();
    await eventually('n3 is not connected', async () => {
      return (await conditionOf('Node', 'n3', 'Connected'))?.status === 'False';
    });
    const { code, steps } = await check();
    lab.node(3).heal();
    expect([code, steps]).toEqual([1, ['agent n3']]);
    await eventually('all is well', isWell, 90_000);
  }, 240_000);
});
