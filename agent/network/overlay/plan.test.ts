import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { batches } from './kernel.ts';
import { applied } from './model.ts';
import { plan } from './plan.ts';
import type { Bridge, Kernel, OverlayNetwork } from './types.ts';
import { deviceOf, macOf, wantedKernel } from './wanted.ts';

const tag = 'ab12';
const empty: Kernel = { tunnels: new Map(), bridges: new Map(), neighbours: new Map(), routes: new Map() };
/** As the engine makes them, but for the MAC. */
const bridgeOf = (device: string): Bridge => ({
  ...{ device, mac: '02:42:aa:aa:aa:aa', address: '10.64.15.254/20', address6: '', isUp: true },
});
const route = '10.64.0.0/20 src 10.64.15.254';
const withBridges = (...names: readonly string[]): Kernel => ({
  ...empty,
  bridges: new Map(names.map((device) => [device, bridgeOf(device)])),
  routes: new Map(names.map((device) => [device, new Set([route])])),
});
const network = (more: Partial<OverlayNetwork> = {}): OverlayNetwork => ({
  ...{ key: 'default/web', vni: 5000, subnet: '10.64.0.0/20', gateway: '10.64.15.254', mtu: 1450 },
  ...{ bridge: 'orc-1', peers: [], ...more },
});
const peer = { address: '10.77.0.2', gateway: '10.64.15.253', ips: ['10.64.1.2'] };
const lines = (wanted: Kernel, found: Kernel): readonly string[] => {
  const { ip, bridge } = batches(plan(wanted, found));
  return [...ip.map((line) => `ip ${line}`), ...bridge.map((line) => `bridge ${line}`)];
};

describe('the tunnels of networks', () => {
  test('have a MAC that follows from the address, and a name that fits the kernel', () => {
    expect(macOf('10.64.15.254')).toBe('02:42:0a:40:0f:fe');
    expect(deviceOf(tag, 2 ** 24 - 1).length).toBeLessThanOrEqual(15);
  });

  test('are ports of the bridge, with an entry for each address elsewhere', () => {
    const wanted = wantedKernel([network({ peers: [peer] })], '10.77.0.1', tag);
    expect(lines(wanted, withBridges('orc-1'))).toEqual([
      'ip link set orc-1 address 02:42:0a:40:0f:fe',
      'ip link add ovab12-1388 type vxlan id 5000 dstport 4789 local 10.77.0.1 nolearning',
      'ip link set ovab12-1388 mtu 1450',
      'ip link set ovab12-1388 master orc-1',
      'ip link set ovab12-1388 up',
      'ip neigh replace 10.64.15.253 lladdr 02:42:0a:40:0f:fd dev orc-1 nud permanent',
      'ip neigh replace 10.64.1.2 lladdr 02:42:0a:40:01:02 dev orc-1 nud permanent',
      'bridge link set dev ovab12-1388 neigh_suppress on learning off',
      'bridge fdb replace 02:42:0a:40:0f:fd dev ovab12-1388 dst 10.77.0.2 self static',
      'bridge fdb replace 02:42:0a:40:01:02 dev ovab12-1388 dst 10.77.0.2 self static',
      'bridge fdb replace 02:42:0a:40:0f:fd dev ovab12-1388 master static',
      'bridge fdb replace 02:42:0a:40:01:02 dev ovab12-1388 master static',
    ]);
  });

  test('are none for a network of one node, and none before its bridge is there', () => {
    expect(wantedKernel([network()], '10.77.0.1', tag).tunnels.size).toBe(0);
    expect(plan(wantedKernel([network({ peers: [peer] })], '10.77.0.1', tag), empty)).toEqual([]);
  });

  test('stand alone, with the address of the node, where it only answers published ports', () => {
    const { bridge: _, ...alone } = network({ peers: [peer] });
    const wanted = wantedKernel([alone], '10.77.0.1', tag);
    expect(lines(wanted, empty)).toEqual([
      'ip link add ovab12-1388 type vxlan id 5000 dstport 4789 local 10.77.0.1 nolearning',
      'ip link set ovab12-1388 mtu 1450',
      'ip link set ovab12-1388 address 02:42:0a:40:0f:fe',
      'ip addr add 10.64.15.254/20 dev ovab12-1388',
      'ip link set ovab12-1388 up',
      'ip neigh replace 10.64.15.253 lladdr 02:42:0a:40:0f:fd dev ovab12-1388 nud permanent',
      'ip neigh replace 10.64.1.2 lladdr 02:42:0a:40:01:02 dev ovab12-1388 nud permanent',
      `ip route replace ${route} dev ovab12-1388 proto kernel scope link`,
      'bridge fdb replace 02:42:0a:40:0f:fd dev ovab12-1388 dst 10.77.0.2 self static',
      'bridge fdb replace 02:42:0a:40:01:02 dev ovab12-1388 dst 10.77.0.2 self static',
    ]);
  });

  test('of an encrypted network end inside of the mesh, at a port that nothing in clear is taken from', () => {
    const inside = { ...peer, address: 'fd6f:7263:6500:1001:1002:1003:1004:1006' };
    const inner = 'fd6f:7263:6500:1001:1002:1003:1004:1005';
    const wanted = wantedKernel([network({ inner, peers: [inside] })], '10.77.0.1', tag);
    expect(
      lines(wanted, withBridges('orc-1')).filter((line) => /link add|10:40:01:02|fdb.*self/.test(line)),
    ).toEqual([
      `ip link add ovab12-1388 type vxlan id 5000 dstport 6754 local ${inner} nolearning udp6zerocsumtx udp6zerocsumrx`,
      `bridge fdb replace 02:42:0a:40:0f:fd dev ovab12-1388 dst ${inside.address} self static`,
      `bridge fdb replace 02:42:0a:40:01:02 dev ovab12-1388 dst ${inside.address} self static`,
    ]);
    // One in clear is not made into it, nor the reverse: it is made anew.
    const clear = wantedKernel([network({ peers: [peer] })], '10.77.0.1', tag);
    expect(lines(wanted, clear)[0]).toBe('ip link del ovab12-1388');
  });

  const subnet6 = 'fd12:3456:7800:1388::/64';

  test('of a network with IPv6 have for each address another one, with the same MAC', () => {
    const wanted = wantedKernel([network({ subnet6, peers: [peer] })], '10.77.0.1', tag);
    const dual = lines(wanted, withBridges('orc-1'));
    expect(dual.filter((line) => line.includes('fd12:'))).toEqual([
      'ip addr add fd12:3456:7800:1388::a40:ffe/64 dev orc-1 nodad',
      'ip neigh replace fd12:3456:7800:1388::a40:ffd lladdr 02:42:0a:40:0f:fd dev orc-1 nud permanent',
      'ip neigh replace fd12:3456:7800:1388::a40:102 lladdr 02:42:0a:40:01:02 dev orc-1 nud permanent',
      `ip route replace ${subnet6} dev orc-1 proto kernel metric 256`,
    ]);
    const plain = wantedKernel([network({ peers: [peer] })], '10.77.0.1', tag);
    expect(dual.filter((line) => !line.includes('fd12:'))).toEqual(lines(plain, withBridges('orc-1')));
    const { bridge: _, ...alone } = network({ subnet6, peers: [peer] });
    expect(lines(wantedKernel([alone], '10.77.0.1', tag), empty)).toContain(
      'ip addr add fd12:3456:7800:1388::a40:ffe/64 dev ovab12-1388 nodad',
    );
  });

  test('leave alone the IPv6 that the engine gave a bridge of a network without', () => {
    const local = { ...bridgeOf('orc-1'), mac: '02:42:0a:40:0f:fe', address6: 'fdaa::1/64' };
    const found = { ...withBridges('orc-1'), bridges: new Map([['orc-1', local]]) };
    expect(lines(wantedKernel([network()], '10.77.0.1', tag), found)).toEqual([]);
    expect(lines(wantedKernel([network({ subnet6 })], '10.77.0.1', tag), found)[0]).toBe(
      'ip addr del fdaa::1/64 dev orc-1',
    );
  });

  test('follow a task that moves to another node with one entry', () => {
    const other = { address: '10.77.0.3', gateway: '10.64.15.252', ips: [] };
    const before = wantedKernel([network({ peers: [peer, other] })], '10.77.0.1', tag);
    const moved = [
      { ...peer, ips: [] },
      { ...other, ips: peer.ips },
    ];
    const after = wantedKernel([network({ peers: moved })], '10.77.0.1', tag);
    expect(lines(after, before)).toEqual([
      'bridge fdb replace 02:42:0a:40:01:02 dev ovab12-1388 dst 10.77.0.3 self static',
    ]);
  });

  test('have a bridge with the address of the node and a way to the network, whatever somebody took away', () => {
    const wanted = wantedKernel([network()], '10.77.0.1', tag);
    const taken = { device: 'orc-1', mac: '02:42:0a:40:0f:fe', address: '', address6: '', isUp: false };
    expect(lines(wanted, { ...empty, bridges: new Map([['orc-1', taken]]) })).toEqual([
      'ip addr add 10.64.15.254/20 dev orc-1',
      'ip link set orc-1 up',
      `ip route replace ${route} dev orc-1 proto kernel scope link`,
    ]);
    const other = { ...taken, address: '10.64.15.200/20', isUp: true };
    expect(lines(wanted, { ...withBridges('orc-1'), bridges: new Map([['orc-1', other]]) })).toEqual([
      'ip addr del 10.64.15.200/20 dev orc-1',
      'ip addr add 10.64.15.254/20 dev orc-1',
    ]);
  });

  const octet = fc.integer({ min: 1, max: 250 });
  const peers = fc.uniqueArray(
    fc.record({
      address: octet.map((n) => `10.77.0.${n}`),
      gateway: octet.map((n) => `10.64.15.${n}`),
      ips: fc.uniqueArray(
        octet.map((n) => `10.64.1.${n}`),
        { maxLength: 5 },
      ),
    }),
    { selector: ({ address }) => address, maxLength: 4 },
  );
  const networks = fc.uniqueArray(
    fc
      .tuple(fc.integer({ min: 4097, max: 4101 }), fc.boolean(), peers, fc.constantFrom(1400, 1450))
      .map(([vni, hasBridge, all, mtu]) => ({
        ...{ key: `n/${vni}`, vni, subnet: '10.64.0.0/20', gateway: '10.64.15.254', mtu, peers: all },
        ...(hasBridge ? { bridge: `orc-${vni}` } : {}),
        ...(vni % 2 === 0 ? { subnet6: `fd12:3456:7800:${vni.toString(16)}::/64` } : {}),
      })),
    { selector: ({ vni }) => vni, maxLength: 5 },
  );
  /** The engine has made the bridges, and removed those that nobody wants, with what they knew. */
  const withBridgesOf = (kernel: Kernel, wanted: Kernel): Kernel => ({
    ...kernel,
    bridges: new Map(
      [...wanted.bridges.keys()].map((device) => [device, kernel.bridges.get(device) ?? bridgeOf(device)]),
    ),
    neighbours: new Map(
      [...kernel.neighbours].filter(([device]) => wanted.bridges.has(device) || kernel.tunnels.has(device)),
    ),
    routes: new Map(
      [...kernel.routes].filter(([device]) => wanted.bridges.has(device) || kernel.tunnels.has(device)),
    ),
  });
  /** Without what is empty, which is the same as not there. */
  const plain = ({ tunnels, bridges, neighbours, routes }: Kernel): unknown => ({
    ...{ tunnels, bridges, routes },
    neighbours: new Map([...neighbours].filter(([, all]) => all.size > 0)),
  });

  test('come to be what is wanted from whatever was there, and then change no more', () => {
    fc.assert(
      fc.property(fc.array(networks, { minLength: 1, maxLength: 6 }), (states) => {
        let kernel = empty;
        for (const state of states) {
          const wanted = wantedKernel(state, '10.77.0.1', tag);
          const found = withBridgesOf(kernel, wanted);
          kernel = applied(found, plan(wanted, found));
          expect(plain(kernel)).toEqual(plain(wanted));
          expect(plan(wanted, kernel)).toEqual([]);
        }
      }),
      { numRuns: 500 },
    );
  });
});
