import { describe, expect, test } from '@jest/globals';
import {
  subnet6Of,
  type Network,
  type Node,
  type NodeEncryption,
  type Service,
  type Task,
} from '../../api-schemas/index.ts';
import { findCondition, setConditions } from '../runtime/conditions.ts';
import { testNow } from '../runtime/testing.ts';
import { blockAt, layoutOf } from './layout.ts';
import { plan, type Observed } from './plan.ts';
import { networkTrouble } from './service.ts';
import { aNetwork, aNodeWith, aTaskOn, looking, onNetworks, testPool6 } from './testing.ts';

/** The network as it is stored after a pass. */
const after = (observed: Observed): Network => {
  const { status, conditions } = plan(observed);
  return { ...observed.network, status: { ...status, conditions: setConditions([], conditions, testNow) } };
};
const saying = (network: Network, type: string): string => {
  const condition = findCondition(network.status?.conditions, type);
  return `${condition?.status ?? ''} ${condition?.reason ?? ''}: ${condition?.message ?? ''}`;
};
const many = (service: Service, node: string, count: number): readonly Task[] =>
  Array.from({ length: count }, (_, i) => aTaskOn(service, `${node}-${String(i)}`, node));

describe('a new network', () => {
  test('gets a range of a pool and a number, and keeps both', () => {
    const first = after(looking(aNetwork('a')));
    expect(first.status?.subnet).toMatch(/^10\.\d+\.\d+\.0\/20$/);
    expect(first.status?.vni).toBeGreaterThanOrEqual(4097);
    const again = after(looking(first, { pools: [{ cidr: '192.168.0.0/16', size: 24 }] }));
    expect(again.status).toEqual(first.status);
  });

  test('gets no range that another has, asks for, or that a route of a node overlaps', () => {
    const pools = [{ cidr: '10.0.0.0/22', size: 24 }];
    const around = {
      pools,
      others: [aNetwork('b', {}, { subnet: '10.0.0.0/24' }), aNetwork('c', { subnet: '10.0.1.0/24' })],
      nodes: [aNodeWith('n1', { to: '0.0.0.0/0', of: 'dev eth0' }, { to: '10.0.2.128/25', of: 'dev eth1' })],
    };
    expect(after(looking(aNetwork('a'), around)).status?.subnet).toBe('10.0.3.0/24');
  });

  test('is told who has what it asks for, and what to do', () => {
    const asking = aNetwork('a', { subnet: '10.1.0.0/20' });
    const nodes = [aNodeWith('n1', { to: '10.0.0.0/8', of: 'dev tun0' })];
    const routed = after(looking(asking, { nodes }));
    expect(routed.status?.subnet).toBeUndefined();
    expect(saying(routed, 'Allocated')).toBe(
      'False SubnetOverlaps: 10.1.0.0/20 overlaps 10.0.0.0/8 of node n1 (dev tun0): make the network anew with another subnet, or take the other away',
    );
    const others = [aNetwork('b', {}, { subnet: '10.1.8.0/24' })];
    expect(saying(after(looking(asking, { others })), 'Allocated')).toContain(
      'network default/b, 10.1.8.0/24',
    );
  });

  test('gets nothing of the pools of an engine, which keep no node out of one that has some', () => {
    const pool = { to: '172.16.0.0/12', of: 'default-address-pools of the engine', pool: true };
    const nodes = [aNodeWith('n1', pool)];
    const refused = after(looking(aNetwork('a', { subnet: '172.20.0.0/20' }), { nodes }));
    expect(saying(refused, 'Allocated')).toMatch(
      /172.16.0.0\/12 of node n1 \(default-address-pools of the engine\)/,
    );
    const service = onNetworks('web', ['b']);
    const older = aNetwork('b', { subnet: '172.20.0.0/20' }, { subnet: '172.20.0.0/20', vni: 5000 });
    const kept = after(looking(older, { nodes, services: [service], tasks: many(service, 'n1', 1) }));
    expect(Object.keys(kept.status?.nodes ?? {})).toEqual(['n1']);
    expect(saying(kept, 'Ready')).toMatch(/^True/);
  });

  test('waits when the pools are used up, and so do its services, until something is free', () => {
    const full = {
      pools: [{ cidr: '10.0.0.0/24', size: 24 }],
      others: [aNetwork('b', {}, { subnet: '10.0.0.0/24' })],
    };
    const network = after(looking(aNetwork('a'), full));
    expect(saying(network, 'Allocated')).toMatch(/^False NoFreeSubnet: .*10.0.0.0\/24.*add a pool/);
    const trouble = networkTrouble(onNetworks('web', ['a']), () => network);
    expect(trouble).toMatchObject({ type: 'NetworksAllocated', status: 'False', reason: 'NoFreeSubnet' });
    const freed = after(looking(network, { ...full, others: [] }));
    expect(saying(freed, 'Allocated')).toMatch(/^True Allocated: 10.0.0.0\/24, VNI \d+$/);
    expect(networkTrouble(onNetworks('web', ['a']), () => freed)).toBeUndefined();
  });

  test('has an IPv6 prefix when it asks for one: the pool and its number, which it keeps', () => {
    const first = after(looking(aNetwork('a', { ipv6: true })));
    const { vni = 0, subnet6 = '' } = first.status ?? {};
    expect(subnet6).toBe(subnet6Of(testPool6, vni));
    expect(saying(first, 'Allocated')).toContain(`${subnet6}, VNI ${String(vni)}`);
    expect(after(looking(first, { pool6: 'fd00::/40' })).status?.subnet6).toBe(subnet6);
    expect(after(looking(aNetwork('a'))).status).not.toHaveProperty('subnet6');
  });

  test('is told who has a route into its IPv6 prefix; a node that has it later stays out', () => {
    const asking = aNetwork('a', { ipv6: true });
    const theirs = aNodeWith('n1', { to: '::/0', of: 'dev eth0' }, { to: 'fd00::/8', of: 'dev tun0' });
    const refused = after(looking(asking, { nodes: [theirs] }));
    expect(refused.status?.subnet).toBeUndefined();
    expect(saying(refused, 'Allocated')).toMatch(
      /^False SubnetOverlaps: its IPv6 prefix fd12:.*\/64 overlaps fd00::\/8 of node n1 \(dev tun0\): .*ipv6Pool/,
    );
    expect(after(looking(aNetwork('a'), { nodes: [theirs] })).status?.subnet).toBeDefined();
    const given = after(looking(asking, { nodes: [aNodeWith('n1'), aNodeWith('n2')] }));
    const web = onNetworks('web', ['a']);
    const tasks = [aTaskOn(web, 't1', 'n1'), aTaskOn(web, 't2', 'n2')];
    const later = after(looking(given, { nodes: [theirs, aNodeWith('n2')], tasks, services: [web] }));
    expect(Object.keys(later.status?.nodes ?? {})).toEqual(['n2']);
    expect(saying(later, 'Ready')).toMatch(/^False RouteOverlaps: node n1 .*fd12:.* overlaps fd00::\/8/);
  });

  test('of the engine is given nothing', () => {
    const network = after(looking(aNetwork('lan', { external: 'macvlan0' }), { nodes: [aNodeWith('n1')] }));
    expect(network.status).toMatchObject({
      conditions: [{ type: 'Allocated', status: 'True' }, { status: 'True' }],
    });
    expect(network.status).not.toHaveProperty('subnet');
  });

  test('that has what an older one has is given others while nobody is in it, else says so', () => {
    const older = aNetwork('a', {}, { subnet: '10.64.0.0/20', vni: 5000 });
    const younger = aNetwork('b', {}, { subnet: '10.64.0.0/20', vni: 5001 });
    expect(after(looking(younger, { others: [older] })).status?.subnet).not.toBe('10.64.0.0/20');
    expect(after(looking(older, { others: [younger] })).status?.subnet).toBe('10.64.0.0/20');
    const web = onNetworks('web', ['b']);
    const busy = aNetwork('b', {}, { ...younger.status, nodes: { n1: { gateway: '10.64.0.254' } } });
    const world = { others: [older], nodes: [aNodeWith('n1')], tasks: [aTaskOn(web, 't', 'n1')] };
    expect(saying(after(looking(busy, world)), 'Ready')).toMatch(/^False AddressClash: .*default\/a/);
  });
});

describe('the nodes of a network', () => {
  const web = onNetworks('web', ['a']);
  const nodes = ['n1', 'n2', 'n3'].map((name) => aNodeWith(name));
  const start = aNetwork('a', { subnet: '10.64.0.0/20' });

  test('are those with tasks; each has a gateway from the end of the first part, and blocks from the second', () => {
    const tasks = [aTaskOn(web, 't1', 'n1'), aTaskOn(web, 't2', 'n2'), aTaskOn(web, 't3', 'n2')];
    expect(after(looking(start, { nodes, tasks, services: [web] })).status?.nodes).toEqual({
      n1: { gateway: '10.64.0.254', blocks: ['10.64.1.0/27'] },
      n2: { gateway: '10.64.0.253', blocks: ['10.64.1.32/27'] },
    });
  });

  test('are all nodes, without blocks, when a service publishes a port of mode ingress on it', () => {
    const published = (mode: 'ingress' | 'local' | 'host', networks = ['a']): string[] => {
      const service = onNetworks('web', networks, { ports: [{ target: 80, mode }] });
      return Object.keys(after(looking(start, { nodes, services: [service] })).status?.nodes ?? {});
    };
    expect(published('ingress')).toEqual(['n1', 'n2', 'n3']);
    expect(published('local')).toEqual([]);
    expect(published('host')).toEqual([]);
    // Ports are answered through the first network of a service.
    expect(published('ingress', ['b', 'a'])).toEqual([]);
  });

  test('get another block when they run more tasks, and give it back in two passes', () => {
    const grown = after(looking(start, { nodes, tasks: many(web, 'n1', 33) }));
    expect(grown.status?.nodes?.['n1']?.blocks).toEqual(['10.64.1.0/27', '10.64.1.32/27']);
    const pending = [aTaskOn(web, 't', 'n1')];
    const large = {
      ...grown,
      status: {
        ...grown.status,
        nodes: { n1: { gateway: '10.64.0.254', blocks: ['10.64.1.0/27', '10.64.1.32/27', '10.64.1.64/27'] } },
      },
    };
    const closing = after(looking(large, { nodes, tasks: pending }));
    expect(closing.status?.nodes?.['n1']).toMatchObject({ closing: ['10.64.1.64/27'] });
    // Its address may be one of that block: it was there before the block was closed, and has not said.
    expect(after(looking(closing, { nodes, tasks: pending })).status?.nodes).toEqual(closing.status?.nodes);
    const using = [aTaskOn(web, 't', 'n1', { a: '10.64.1.70' })];
    expect(after(looking(closing, { nodes, tasks: using })).status?.nodes).toEqual(closing.status?.nodes);
    const free = [aTaskOn(web, 't', 'n1', { a: '10.64.1.7' })];
    expect(after(looking(closing, { nodes, tasks: free })).status?.nodes?.['n1']).not.toHaveProperty(
      'closing',
    );
  });

  test('leave in two passes after their last task', () => {
    const before = after(looking(start, { nodes, tasks: [aTaskOn(web, 't', 'n1')] }));
    const first = after(looking(before, { nodes }));
    expect(first.status?.nodes).toEqual({ n1: { gateway: '10.64.0.254', closing: ['10.64.1.0/27'] } });
    expect(after(looking(first, { nodes })).status?.nodes).toEqual({});
    const back = after(looking(first, { nodes, tasks: [aTaskOn(web, 'u', 'n1')] }));
    expect(back.status?.nodes).toEqual(before.status?.nodes);
  });

  test('do not get in with a route that overlaps, and the network says which', () => {
    const bad: readonly Node[] = [aNodeWith('n1', { to: '10.64.8.0/24', of: 'dev tun0' }), aNodeWith('n2')];
    // Given before the node came.
    const given = after(looking(start, { nodes: [] }));
    const tasks = [aTaskOn(web, 't1', 'n1'), aTaskOn(web, 't2', 'n2')];
    const network = after(looking(given, { nodes: bad, tasks }));
    expect(Object.keys(network.status?.nodes ?? {})).toEqual(['n2']);
    expect(saying(network, 'Ready')).toMatch(
      /^False RouteOverlaps: node n1 .*10.64.8.0\/24 of node n1 \(dev tun0\)/,
    );
    expect(saying(network, 'Allocated')).toMatch(/^True/);
  });

  test('of an encrypted one are those that can encrypt; the network and its services say of others why not', () => {
    const able = (name: string, encryption: NodeEncryption): Node => ({
      ...aNodeWith(name),
      status: { encryption },
    });
    const error = 'wireguard: Error: Unknown device type.';
    const secret = aNetwork('a', { encrypted: true });
    const tasks = ['n1', 'n2', 'n3'].map((node, i) => aTaskOn(web, `t${i}`, node));
    const mixed = [able('n1', { method: 'wireguard-go' }), able('n2', { error }), aNodeWith('n3')];
    const network = after(looking(secret, { nodes: mixed, tasks, epoch: 7 }));
    expect(Object.keys(network.status?.nodes ?? {})).toEqual(['n1']);
    expect(network.status?.epoch).toBe(7);
    expect(saying(network, 'Ready')).toMatch(
      /^False EncryptionUnavailable: node n2 .*Unknown device type.*\(and 1 more\)/,
    );
    expect(networkTrouble(web, () => network)).toMatchObject({
      status: 'False',
      reason: 'EncryptionUnavailable',
      message: expect.stringContaining('node n2'),
    });
    // One that was in it, and can no more, keeps what its tasks have, and is told of.
    const lost = after(
      looking(network, { nodes: [able('n1', { error })], tasks: tasks.slice(0, 1), epoch: 8 }),
    );
    expect(lost.status?.nodes?.['n1']).toEqual(network.status?.nodes?.['n1']);
    expect(saying(lost, 'Ready')).toMatch(/^False EncryptionUnavailable: node n1 /);
    expect(lost.status?.epoch).toBe(8);
    // One in clear has no epoch, and takes all.
    const clear = after(looking(start, { nodes: mixed, tasks, epoch: 7 }));
    expect([clear.status?.epoch, Object.keys(clear.status?.nodes ?? {}).length]).toEqual([undefined, 3]);
  });

  test('wait when all blocks are given, each having had its first before any has its second', () => {
    const small = aNetwork('a', { subnet: '10.64.0.0/25' });
    const tasks = [...many(web, 'n1', 40), ...many(web, 'n2', 1)];
    const network = after(looking(small, { nodes, tasks }));
    expect(Object.values(network.status?.nodes ?? {}).map(({ blocks }) => blocks)).toEqual([
      ['10.64.0.32/27'],
      ['10.64.0.64/27'],
    ]);
    expect(saying(network, 'Ready')).toMatch(/^False NoFreeBlock: node n1 .*larger subnet/);
  });

  test('never get a block with the broadcast address', () => {
    for (const prefix of [8, 16, 20, 24, 25]) {
      const layout = layoutOf(`10.0.0.0/${String(prefix)}`);
      const [a = 0, b = 0, c = 0, d = 0] = blockAt(layout, layout.blocks - 1)
        .split(/[./]/)
        .map(Number);
      const end = ((a * 256 + b) * 256 + c) * 256 + d + 32;
      expect(end).toBe(10 * 2 ** 24 + 2 ** (32 - prefix) - 32);
    }
  });
});

describe('the virtual IPs of a network', () => {
  const start = aNetwork('a', { subnet: '10.64.0.0/25' });
  const of = (network: Network, ...services: readonly Service[]): Network =>
    after(looking(network, { services }));

  test('are one for each service that wants one, kept while it is there, and the same when it is made anew', () => {
    const [web, db] = [onNetworks('web', ['a']), onNetworks('db', ['a'])];
    const first = of(start, web, db);
    const ips = first.status?.virtualIPs ?? {};
    expect(Object.keys(ips)).toEqual(['db', 'web']);
    expect(new Set(Object.values(ips)).size).toBe(2);
    for (const ip of Object.values(ips)) expect(ip).toMatch(/^10\.64\.0\.([1-9]|[12]\d|30)$/);
    const without = of(first, db);
    expect(without.status?.virtualIPs).toEqual({ db: ips['db'] });
    expect(of(without, web, db).status?.virtualIPs).toEqual(ips);
    expect(of(first, onNetworks('web', ['a'], { endpointMode: 'dnsrr' })).status?.virtualIPs).toEqual({});
  });

  test('run out, which is told on the network and on the service that waits', () => {
    const services = Array.from({ length: 31 }, (_, i) =>
      onNetworks(`s${String(i).padStart(2, '0')}`, ['a']),
    );
    const network = of(start, ...services);
    expect(Object.keys(network.status?.virtualIPs ?? {})).toHaveLength(30);
    expect(saying(network, 'Ready')).toMatch(/^False NoFreeVirtualIP: service s30 .*endpointMode: dnsrr/);
    const troubled = services.filter((service) => networkTrouble(service, () => network) !== undefined);
    expect(troubled.map(({ metadata }) => metadata.name)).toEqual(['s30']);
  });
});

describe('a network that is being deleted', () => {
  const web = onNetworks('web', ['a']);
  const nodes = [aNodeWith('n1')];
  const going = (status?: Network['status']): Network => {
    const network = aNetwork('a', { subnet: '10.64.0.0/20' }, status);
    return { ...network, metadata: { ...network.metadata, deletionTimestamp: testNow } };
  };

  test('stays as long as tasks are on it, and names them', () => {
    const tasks = [aTaskOn(web, 'web-1', 'n1')];
    const observed = looking(going(), { nodes, tasks });
    expect(plan(observed).isOver).toBe(false);
    expect(saying(after(observed), 'Ready')).toMatch(/^False InUse: .*web-1; take the network off/);
  });

  test('goes when none is, or all have ended', () => {
    expect(plan(looking(going(), { nodes })).isOver).toBe(true);
    const ended = { ...aTaskOn(web, 't', 'n1'), status: { state: 'Failed' as const } };
    expect(plan(looking(going(), { nodes, tasks: [ended] })).isOver).toBe(true);
  });
});

test('a service on a network that is not there is told its name', () => {
  expect(networkTrouble(onNetworks('web', ['gone']), () => undefined)).toMatchObject({
    reason: 'NetworkNotFound',
    message: expect.stringContaining('no network gone in namespace default'),
  });
});
