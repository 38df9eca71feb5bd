import { describe, expect, test } from '@jest/globals';
import type { Network, NetworkPeers, Task } from '../../api-schemas/index.ts';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { innerAddress } from './encryption/index.ts';
import { EngineNetworks } from './engine-networks.ts';
import { meshOf, overlayNetworks } from './inputs.ts';

const owner = { cluster: 'c', nodeName: 'n1' };
const network = (name: string, spec: Network['spec'], epoch?: number): Network => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Network',
  metadata: { name, namespace: 'd', uid: `uid-${name}` },
  spec,
  status: {
    ...{ vni: 5000, subnet: '10.64.0.0/20', nodes: { n1: { gateway: '10.64.0.254' } } },
    ...(epoch === undefined ? {} : { epoch }),
  },
});
const keys = [{ epoch: 3, publicKey: 'k' }];
const peer = (name: string, more: Partial<NetworkPeers> = {}): NetworkPeers => ({
  ...{ network: `d/${name}`, node: 'n2', address: '192.0.2.2', gateway: '10.64.0.253', ips: [] },
  ...more,
});
const all = [network('clear', {}), network('secret', { encrypted: true }, 3)];
const peers = [peer('clear'), peer('secret', { keys })];
const tunnels = (isGuarded: boolean) =>
  overlayNetworks(
    all,
    peers,
    { bridgeOf: () => undefined, isAwaited: () => false, hasIPv6: () => false, isGuarded },
    owner,
  );

describe('an encrypted network of a node', () => {
  test('has a tunnel only while nothing of it can leave in clear, and that ends inside of the mesh', () => {
    expect(tunnels(false).map(({ key }) => key)).toEqual(['d/clear']);
    const [clear, secret] = tunnels(true);
    expect([clear?.inner, clear?.mtu, clear?.peers[0]?.address]).toEqual([undefined, 1450, '192.0.2.2']);
    expect([secret?.inner, secret?.mtu, secret?.peers[0]?.address]).toEqual([
      innerAddress('c', 'n1'),
      1350,
      innerAddress('c', 'n2'),
    ]);
  });

  test('makes a mesh with those that share it, by the newest epoch that is known', () => {
    expect(meshOf([network('clear', {})], peers, owner)).toBeUndefined();
    const other = network('other', { encrypted: true, mtu: 8_800 }, 4);
    expect(
      meshOf([...all, other], [...peers, peer('secret', { node: 'n3', address: 'x\ny' })], owner),
    ).toEqual({
      ...{ epoch: 4, inner: innerAddress('c', 'n1'), mtu: 8_870 },
      peers: [{ node: 'n2', address: '192.0.2.2', inner: innerAddress('c', 'n2'), keys }],
    });
  });

  test('is not attached to where nothing can be encrypted, and the task says why', async () => {
    const networks = new EngineNetworks({
      runtime: {
        ensureNetwork: () => Promise.reject(new Error('nothing is made')),
        listNetworks: () => Promise.resolve([]),
        removeNetwork: () => Promise.resolve(),
        networksAround: () => Promise.resolve({ networks: [], pools: [] }),
        addressesOn: () => Promise.resolve([]),
      },
      ...{ owner, ipv6: false, containers: () => [], onBridges: () => Promise.resolve() },
      ...{
        obstacle: () => 'Unknown device type',
        obstacle6: () => undefined,
        clock: new FakeClock(),
        logger: silentLogger,
      },
    });
    const task: Task = {
      apiVersion: 'orc.dev/v1',
      kind: 'Task',
      metadata: { name: 't', namespace: 'd', uid: 'u' },
      spec: { service: 's', revision: 'r', nodeName: 'n1', networks: ['secret'], desiredState: 'Running' },
    };
    await networks.assign(all, [task]);
    await expect(networks.attach(task, new AbortController().signal)).rejects.toMatchObject({
      reason: 'EncryptionUnavailable',
      message: expect.stringMatching(/network secret is encrypted.*Unknown device type/),
    });
  });
});
