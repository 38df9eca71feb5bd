import { describe, expect, test } from '@jest/globals';
import type { Network, Task } from '../../api-schemas/index.ts';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import type { NetworksAround, NetworkSpec } from '../runtime/types.ts';
import { EngineNetworks } from './engine-networks.ts';

const network = (gateway: string, subnet6?: string): Network => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Network',
  metadata: { name: 'default', namespace: 'default', uid: 'net-uid' },
  spec: {},
  status: {
    ...{ vni: 4097, subnet: '10.64.0.0/20' },
    ...(subnet6 === undefined ? {} : { subnet6 }),
    nodes: { n: { gateway, blocks: ['10.64.1.0/27'] } },
  },
});
const task: Task = {
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: { name: 'a', namespace: 'default', uid: 'a-uid' },
  spec: { service: 'web', revision: 'r', nodeName: 'n', networks: ['default'], desiredState: 'Running' },
};

describe('the networks of an engine', () => {
  test('have the prefix of the network, and a task the address that follows, unless the node has no IPv6', async () => {
    const made = async (obstacle6: string | undefined, isOld = false): Promise<unknown> => {
      let range: unknown;
      const networks = new EngineNetworks({
        runtime: {
          ensureNetwork: ({ name, bridge, subnet6 }) => {
            range = subnet6;
            return Promise.resolve({ id: name, name, bridge, hasIPv6: subnet6 !== undefined && !isOld });
          },
          listNetworks: () => Promise.resolve([]),
          removeNetwork: () => Promise.resolve(),
          networksAround: () => Promise.resolve({ networks: [], pools: [] }),
          addressesOn: () => Promise.resolve([]),
        },
        owner: { cluster: 'c', nodeName: 'n' },
        ipv6: true,
        containers: () => [],
        onBridges: () => Promise.resolve(),
        ...{ obstacle: () => undefined, obstacle6: () => obstacle6 },
        clock: new FakeClock(),
        logger: silentLogger,
      });
      await networks.assign([network('10.64.0.254', 'fd12::/64')], [task]);
      const [attached] = await networks.attach(task, new AbortController().signal);
      return [range, attached?.ip, attached?.ip6];
    };
    const range = { cidr: 'fd12::/64', gateway: 'fd12::a40:fe' };
    expect(await made(undefined)).toEqual([range, '10.64.1.0', 'fd12::a40:100']);
    expect(await made('IPv6 is off')).toEqual([undefined, '10.64.1.0', undefined]);
    expect(await made(undefined, true)).toEqual([range, '10.64.1.0', undefined]);
  });

  test('are looked for again when the node comes back into one with another address', async () => {
    const said: string[] = [];
    const networks: EngineNetworks = new EngineNetworks({
      runtime: {
        ensureNetwork: ({ name, bridge, subnet }) => {
          said.push(`make one with ${subnet?.gateway}`);
          return Promise.resolve({ id: name, name, bridge });
        },
        listNetworks: () => Promise.resolve([]),
        removeNetwork: () => Promise.resolve(),
        networksAround: () => Promise.resolve({ networks: [], pools: [] }),
        addressesOn: () => Promise.resolve([]),
      },
      owner: { cluster: 'c', nodeName: 'n' },
      ipv6: false,
      containers: () => [],
      onBridges: () => {
        said.push(networks.bridgeOf(network('')) === undefined ? 'no tunnel' : 'a tunnel');
        return Promise.resolve();
      },
      ...{ obstacle: () => undefined, obstacle6: () => undefined },
      clock: new FakeClock(),
      logger: silentLogger,
    });
    await networks.assign([network('10.64.0.254')], [task]);
    await networks.assign([network('10.64.0.254')], [task]);
    await networks.assign([network('10.64.0.253')], [task]);
    expect(said).toEqual([
      ...['no tunnel', 'make one with 10.64.0.254', 'a tunnel'],
      // The old bridge goes: what is a port of it would stay.
      ...['no tunnel', 'make one with 10.64.0.253', 'a tunnel'],
    ]);
  });

  const world = (own: Network, found: Partial<NetworksAround> = {}, foreign: readonly string[] = []) => {
    const made: NetworkSpec[] = [];
    const networks = new EngineNetworks({
      runtime: {
        ensureNetwork: (spec) => {
          made.push(spec);
          return Promise.resolve({ id: 'id', name: spec.name, bridge: spec.bridge });
        },
        listNetworks: () => Promise.resolve([]),
        removeNetwork: () => Promise.resolve(),
        networksAround: () => Promise.resolve({ networks: [], pools: [], ...found }),
        addressesOn: () => Promise.resolve(foreign),
      },
      owner: { cluster: 'c', nodeName: 'n2' },
      ...{ ipv6: false, containers: () => [], onBridges: () => Promise.resolve() },
      ...{ obstacle: () => undefined, obstacle6: () => undefined },
      ...{ clock: new FakeClock(), logger: silentLogger },
    });
    return { made, networks, given: networks.assign([own], [task]) };
  };
  const { signal } = new AbortController();

  test('have no address for who comes without one, but where they are attachable: then of this node, and no task gets it', async () => {
    const closed = world(network('10.64.0.254'));
    await closed.given;
    expect(closed.made[0]?.range).toBe('10.64.0.254/32');
    const open = world({ ...network('10.64.0.254'), spec: { attachable: true } }, {}, [
      '10.64.1.0',
      '10.64.1.1',
    ]);
    await open.given;
    expect(open.made[0]?.range).toBe('10.64.1.0/27');
    expect((await open.networks.attach(task, signal))[0]?.ip).toBe('10.64.1.2');
  });

  test('of others are found by their name, and the node is named where there is none or several', async () => {
    const external: Network = { ...network(''), spec: { external: 'lan' }, status: {} };
    const lan = { id: '1', name: 'lan', subnets: [], isOurs: false };
    const found = world(external, { networks: [{ ...lan, id: '0', name: 'wan' }, lan] });
    expect(await found.networks.attach(task, signal)).toEqual([{ id: 'lan', name: 'lan' }]);
    for (const [networks, words] of [
      [[], /node n2 has no network lan in its engine: make it there \(`docker network create lan`\)/],
      [[lan, { ...lan, id: '2' }], /node n2 has several networks lan .*: remove all but one/],
    ] as const)
      await expect(world(external, { networks }).networks.attach(task, signal)).rejects.toThrow(words);
  });
});
