/** The tunnels between nodes, in network namespaces of this machine: nodes `a` and `b` with a container, `c` without. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { CommandResult, Run } from '../../agent/network/commands.ts';
import { IPv6Rules, type Network6 } from '../../agent/network/ipv6/index.ts';
import { macOf, Overlay, type OverlayNetwork } from '../../agent/network/overlay/index.ts';
import { readKernel } from '../../agent/network/overlay/kernel.ts';
import { ip6Of } from '../../api-schemas/index.ts';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { frameOf, Spaces, type TestNode } from './agent-network-harness.ts';

const spaces = new Spaces('ov', ['a', 'b', 'c', 'a1', 'b1', 'a2', 'c2']);
const ns = (name: string): string => spaces.ns(name);
const within = (name: string): Run => spaces.within(name);
const lines = (name: string, text: string): Promise<void> => spaces.lines(name, text);

const a: TestNode = { name: 'a', address: '10.99.0.1', gateway: '10.64.15.254', ip: '10.64.1.1' };
const b: TestNode = { name: 'b', address: '10.99.0.2', gateway: '10.64.15.253', ip: '10.64.1.33' };
const c: TestNode = { name: 'c', address: '10.99.0.3', gateway: '10.64.15.252', ip: '' };
const nodes = [a, b, c];
const subnet6 = 'fd12:3456:7800:1001::/64';

describe('a network across nodes', () => {
  /** Who is in the network now. */
  let members: readonly TestNode[] = nodes;
  const networkOf = (self: TestNode): OverlayNetwork => ({
    ...{ key: 'default/web', vni: 4097, subnet: '10.64.0.0/20', gateway: self.gateway, mtu: 1450 },
    subnet6,
    ...(self.ip === '' ? {} : { bridge: 'orc-1' }),
    peers: members
      .filter(({ name }) => name !== self.name)
      .map(({ address, gateway, ip }) => ({ address, gateway, ips: ip === '' ? [] : [ip] })),
  });
  const overlays = nodes.map(
    (node) =>
      new Overlay({
        run: within(node.name),
        local: () => node.address,
        tag: 'ab12',
        networks: () => (members.includes(node) ? [networkOf(node)] : []),
        clock: new FakeClock(),
        logger: silentLogger,
      }),
  );
  const all = (again = false): Promise<unknown> =>
    Promise.all(overlays.map((overlay) => (again ? overlay.again() : overlay.sync())));
  const kernelOf = ({ name }: TestNode) => readKernel(within(name), 'ab12', ['orc-1'], true);
  const ping = (from: string, to: string): Promise<CommandResult> =>
    within(from)(['busybox', 'ping', ...(to.includes(':') ? ['-6'] : []), '-c', '1', '-W', '1', to]);

  beforeAll(async () => {
    await spaces.start(nodes);
    await Promise.all([a, b].map((node) => spaces.addContainer(node, 1450, subnet6)));
  }, 60_000);
  afterAll(async () => {
    await Promise.all(overlays.map((overlay) => overlay.close()));
    await spaces.stop();
  });

  test('joins containers on two nodes, and a node that has none, by their addresses', async () => {
    await all();
    expect(overlays.map(({ problem }) => problem)).toEqual([undefined, undefined, undefined]);
    for (const [from, to] of [
      ['a1', b.ip],
      ['b1', a.ip],
      ['c', a.ip],
      ['c', b.ip],
      ['a1', c.gateway],
      ['a1', b.gateway],
    ] as const)
      // prettier-ignore
      for (const ip of [to, ip6Of(subnet6, to)]) expect([from, ip, (await ping(from, ip)).code]).toEqual([from, ip, 0]);
    // The source is kept: nobody translates it inside of the network.
    const { stdout } = await within('b1')(['ip', '-4', 'neigh', 'show', 'dev', 'eth0']);
    expect(stdout).toContain(`${a.ip} lladdr ${macOf(a.ip)}`);
    const six = await within('b1')(['ip', '-6', 'neigh', 'show', 'dev', 'eth0']);
    expect(six.stdout).toContain(`${ip6Of(subnet6, a.ip)} lladdr ${macOf(a.ip)}`);
  }, 30_000);

  test('puts back what was deleted or changed by hand', async () => {
    const before = await kernelOf(a);
    await lines('a', `bridge fdb del ${macOf(b.ip)} dev ovab12-1001 dst ${b.address} self`);
    await lines('a', `bridge fdb add 02:42:00:00:00:01 dev ovab12-1001 dst ${c.address} self static`);
    await lines('a', `ip neigh replace ${b.ip} lladdr 02:42:00:00:00:01 dev orc-1 nud permanent`);
    await lines('a', `ip neigh del ${ip6Of(subnet6, b.ip)} dev orc-1`);
    await lines('a', 'ip link set orc-1 address 02:42:00:00:00:09');
    await lines('a', 'ip route del 10.64.0.0/20 dev orc-1');
    await lines('a', `ip -6 route del ${subnet6} dev orc-1`);
    expect(await kernelOf(a)).not.toEqual(before);
    await all(true);
    expect(await kernelOf(a)).toEqual(before);
    await lines('a', 'ip link del ovab12-1001');
    await lines('c', 'ip link set ovab12-1001 down');
    await lines('a', `ip addr del ${a.gateway}/20 dev orc-1`);
    await lines('a', `ip addr del ${ip6Of(subnet6, a.gateway)}/64 dev orc-1`);
    await all(true);
    expect(await kernelOf(a)).toEqual(before);
    expect(await ping('a1', b.ip)).toMatchObject({ code: 0 });
    expect(await ping('c', b.ip)).toMatchObject({ code: 0 });
    expect(await ping('c', ip6Of(subnet6, b.ip))).toMatchObject({ code: 0 });
  }, 30_000);

  test('is not entered from other networks of a node that only answers its published ports', async () => {
    // As an engine has them: the node passes on what its containers send, in its own name.
    await lines(
      'c',
      `ip link add orc-2 type bridge
       ip link set orc-2 up
       ip addr add 10.65.0.1/24 dev orc-2
       ip link add v2 type veth peer name eth0 netns ${ns('c2')}
       ip link set v2 master orc-2 up
       nft add table ip engine
       nft add chain ip engine post { type nat hook postrouting priority 100 ; }
       nft add rule ip engine post ip saddr 10.65.0.0/24 masquerade
       nft add chain ip engine pre { type filter hook prerouting priority -150 ; }
       sysctl -q -w net.ipv4.ip_forward=1`,
    );
    await lines(
      'c2',
      'ip link set eth0 up\nip addr add 10.65.0.2/24 dev eth0\nip route add default via 10.65.0.1',
    );
    expect(await ping('c2', a.ip)).not.toMatchObject({ code: 0 });
    await lines('c', 'nft delete table inet orc_entry_ab12');
    expect(await ping('c2', a.ip)).toMatchObject({ code: 0 });
    await all(true);
    expect(await ping('c2', a.ip)).not.toMatchObject({ code: 0 });
    // A published port sends on with this mark.
    await lines('c', 'nft add rule ip engine pre ip daddr 10.64.0.0/20 ct mark set 0x4f000001');
    expect(await ping('c2', a.ip)).toMatchObject({ code: 0 });
  }, 30_000);

  test('of IPv6 is not entered from other networks of its node, nor left when it is internal', async () => {
    const prefix = 'fd12:3456:7800:2002::/64';
    const [gateway, own, theirs] = ['fd12:3456:7800:2002::1', 'fd12:3456:7800:2002::2', ip6Of(subnet6, a.ip)];
    await lines(
      'a',
      `ip link add orc-2 type bridge
       ip link set orc-2 up
       ip addr add ${gateway}/64 dev orc-2 nodad
       ip link add v2 type veth peer name eth0 netns ${ns('a2')}
       ip link set v2 master orc-2 up
       ip addr add fd99::1/64 dev eth0 nodad`,
    );
    await lines('b', 'ip addr add fd99::2/64 dev eth0 nodad');
    await lines(
      'a2',
      `ip link set eth0 up\nip addr add ${own}/64 dev eth0 nodad\nip -6 route add default via ${gateway}`,
    );
    const network6 = (bridge: string, range: string, isInternal = false): Network6 => ({
      ...{ bridge, subnet6: range, isInternal, isMasqueraded: true, isJoined: true },
    });
    let all = [network6('orc-1', subnet6), network6('orc-2', prefix)];
    const rules = new IPv6Rules({
      ...{ run: within('a'), tag: 'ab12', networks: () => all, clock: new FakeClock(), logger: silentLogger },
    });
    await lines('a', 'sysctl -q -w net.ipv6.conf.all.forwarding=1');
    // As an engine leaves it that does nothing for IPv6.
    expect(await ping('a2', theirs)).toMatchObject({ code: 0 });
    await rules.sync();
    expect(rules.problem).toBeUndefined();
    expect(await ping('a2', theirs)).not.toMatchObject({ code: 0 });
    // Out it goes in the name of the node: nobody there knows the way back.
    expect(await ping('a2', 'fd99::2')).toMatchObject({ code: 0 });
    expect(await ping('a1', ip6Of(subnet6, b.ip))).toMatchObject({ code: 0 });
    // From outside neither.
    await lines('b', `ip -6 route add ${prefix} via fd99::1`);
    expect(await ping('b', own)).not.toMatchObject({ code: 0 });
    await lines('a', 'nft delete table ip6 orc_ipv6_ab12');
    expect(await ping('b', own)).toMatchObject({ code: 0 });
    await rules.sync(true);
    expect(await ping('b', own)).not.toMatchObject({ code: 0 });
    all = [network6('orc-1', subnet6), network6('orc-2', prefix, true)];
    await rules.sync();
    expect(await ping('a2', 'fd99::2')).not.toMatchObject({ code: 0 });
    all = [];
    await rules.sync();
    expect((await within('a')(['nft', 'list', 'tables'])).stdout).not.toContain('orc_ipv6');
    await rules.close();
  }, 60_000);

  test('is not entered by a container that puts a packet of a tunnel around its own frame', async () => {
    // Of another network of the node: `c2` sends by the wire, `a2` to its own node.
    await lines('a', 'ip addr add 10.66.0.1/24 dev orc-2');
    await lines('a2', 'ip addr add 10.66.0.2/24 dev eth0\nip route add default via 10.66.0.1');
    for (const name of ['a1', 'b1'])
      await lines(
        name,
        `nft add table ip probe
         nft add chain ip probe in { type filter hook input priority 0 ; }
         nft add rule ip probe in udp dport 9999 counter`,
      );
    const arrived = async (): Promise<readonly unknown[]> =>
      Promise.all(
        ['a1', 'b1'].map(async (name) => {
          const { stdout } = await within(name)(['nft', 'list', 'table', 'ip', 'probe']);
          return Number(/packets (\d+)/.exec(stdout)?.[1]);
        }),
      );
    const forge = async (): Promise<void> => {
      for (const [from, { address, ip }] of [
        ['c2', b],
        ['a2', a],
      ] as const) {
        // prettier-ignore
        await spaces.send(from, address, 4789, frameOf(4097, '10.64.1.99', ip, ''));
        // What was sent before this is through.
        expect(await ping(from, address)).toMatchObject({ code: 0 });
      }
    };
    await forge();
    expect(await arrived()).toEqual([0, 0]);
    for (const name of ['a', 'c']) await lines(name, 'nft delete table inet orc_entry_ab12');
    await forge();
    expect(await arrived()).toEqual([1, 1]);
    await all(true);
    await forge();
    expect(await arrived()).toEqual([1, 1]);
  }, 30_000);

  test('has no tunnel on a node that is alone in it, and nothing of those that left', async () => {
    members = [a];
    await all();
    for (const node of nodes) expect((await kernelOf(node)).tunnels.size).toBe(0);
    expect((await kernelOf(a)).neighbours.size).toBe(0);
    expect(await ping('a1', b.ip)).not.toMatchObject({ code: 0 });
    members = [a, b];
    await all();
    expect(await ping('a1', b.ip)).toMatchObject({ code: 0 });
  }, 30_000);

  test('says why it is not as it should be, and takes its devices away when the node leaves', async () => {
    const broken = new Overlay({
      run: within('a'),
      local: () => undefined,
      tag: 'ab12',
      networks: () => [networkOf(a)],
      clock: new FakeClock(),
      logger: silentLogger,
    });
    await broken.sync();
    expect(broken.problem).toContain('address of this node');
    await broken.close(true);
    expect((await kernelOf(a)).tunnels.size).toBe(0);
  });
});
