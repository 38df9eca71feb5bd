import { describe, expect, test } from '@jest/globals';
import { contentHash } from '../hash.ts';
import { networksOf, templateOf } from '../template.ts';
import { kindByName } from '../kinds.ts';
import type { Condition, Network, NetworkSpec, ServiceSpec, StackSpec } from '../types.ts';
import { validate } from '../validate.ts';
import { holdsAddress } from './holds.ts';

const problems = (kind: string, spec: unknown, name = 'net'): string[] =>
  validate({
    apiVersion: 'orc.dev/v1',
    kind,
    metadata: { name, ...(kind === 'Cluster' ? {} : { namespace: 'd' }) },
    spec,
  }).map(({ field, message }) => `${field ?? ''}: ${message}`);
const ofNetwork = (spec: NetworkSpec, name?: string): string[] => problems('Network', spec, name);
const ofService = (spec: Partial<ServiceSpec>): string[] => problems('Service', { image: 'i', ...spec });
const ofStack = (spec: Partial<StackSpec>, name?: string): string[] =>
  problems('Stack', { services: {}, ...spec }, name);

describe('a Network', () => {
  test('needs nothing, or says its subnet', () => {
    expect(ofNetwork({})).toEqual([]);
    expect(ofNetwork({ subnet: '10.20.0.0/20', internal: true, mtu: 1400 })).toEqual([]);
  });

  test('is refused with a subnet that nothing fits into, or that does not begin at its first address', () => {
    expect(ofNetwork({ subnet: '10.20.0.0/26' })[0]).toMatch(/spec.subnet: .*between \/8 and \/25/);
    expect(ofNetwork({ subnet: '10.20.0.1/20' })[0]).toMatch(/spec.subnet: .*10.20.0.0\/20/);
  });

  test('of the engine has no settings of its own', () => {
    expect(ofNetwork({ external: 'lan' })).toEqual([]);
    expect(ofNetwork({ external: 'lan', mtu: 1400 })[0]).toMatch(/spec.mtu: Forbidden: not with `external`/);
  });

  test('of the engine is none that every engine has', () => {
    for (const [name, words] of [
      ['host', /external: .*set `networkMode: host`/],
      ['none', /external: .*set `networkMode: none`/],
      ['bridge', /external: .*`docker network create`/],
    ] as const)
      expect(ofNetwork({ external: name })[0]).toMatch(words);
  });

  test('has options of the bridge, but not those that are orc’s', () => {
    const bridge = 'com.docker.network.bridge';
    expect(ofNetwork({ driverOptions: { [`${bridge}.enable_icc`]: 'false' } })).toEqual([]);
    for (const [name, value] of [
      [`${bridge}.name`, 'br7'],
      ['com.docker.network.driver.mtu', '1400'],
      [`${bridge}.inhibit_ipv4`, 'true'],
      [`${bridge}.gateway_mode_ipv4`, 'isolated'],
    ] as const)
      expect(ofNetwork({ driverOptions: { [name]: value } })[0]).toMatch(/^spec.driverOptions.*com\.docker/);
  });

  test('has no name that means a mode', () => {
    expect(ofNetwork({}, 'host')[0]).toMatch(/metadata.name: .*networkMode: host/);
  });

  test('may be encrypted, but not where it is the engine’s', () => {
    expect(ofNetwork({ encrypted: true })).toEqual([]);
    expect(ofNetwork({ external: 'lan', encrypted: true })[0]).toMatch(/spec.encrypted: Forbidden/);
  });
});

describe('a Network with IPv6', () => {
  test('says so, in a stack as well, with room for its packets', () => {
    expect(ofNetwork({ ipv6: true, mtu: 1280 })).toEqual([]);
    expect(ofStack({ networks: { default: { ipv6: true } } })).toEqual([]);
    expect(ofNetwork({ mtu: 1279 })).toEqual([]);
    expect(ofNetwork({ ipv6: true, mtu: 1279 })[0]).toMatch(/spec.mtu: .*at least 1280/);
    expect(ofNetwork({ external: 'lan', ipv6: true })[0]).toMatch(/spec.ipv6: Forbidden/);
    expect(problems('Network', { enableIPv6: true })[0]).toMatch(/spec.enableIPv6: .*ipv6/);
  });

  test('has its prefix in a pool of the cluster, a \/40', () => {
    const ofCluster = (ipv6Pool: string): string[] => problems('Cluster', { networks: { ipv6Pool } }, 'orc');
    expect(ofCluster('fd12:3456:7800::/40')).toEqual([]);
    expect(ofCluster('fd12:3456:7890::/40')[0]).toMatch(/ipv6Pool: .*fd12:3456:7800::\/40/);
    expect(ofCluster('fd12:3456::/32')[0]).toMatch(/ipv6Pool: .*must be a \/40/);
  });

  test('has in it the addresses that follow from those of a node’s blocks', () => {
    const node = { gateway: '10.0.0.254', blocks: ['10.0.1.0/27'] };
    const prefix = 'fd12:3456:7800:1001::/64';
    expect(holdsAddress(node, '10.0.1.5')).toBe(true);
    expect(holdsAddress(node, 'fd12:3456:7800:1001::a00:105', prefix)).toBe(true);
    expect(holdsAddress(node, 'fd12:3456:7800:1001::a00:205', prefix)).toBe(false);
    expect(holdsAddress(node, 'fd12:3456:7800:1002::a00:105', prefix)).toBe(false);
    expect(holdsAddress(node, 'fd12:3456:7800:1001::a00:105')).toBe(false);
  });
});

describe('a Network is printed', () => {
  const row = (network: Partial<Network>): readonly (string | number)[] => {
    const object: Network = {
      apiVersion: 'orc.dev/v1',
      kind: 'Network',
      metadata: { name: 'net' },
      spec: {},
      ...network,
    };
    const columns = kindByName('Network').columns.filter(
      ({ priority, name }) => priority === 0 && name !== 'Age',
    );
    return columns.map((column) => column.cell(object, 0));
  };
  const condition = (type: string, status: 'True' | 'False', reason: string): Condition => ({
    ...{ type, status, reason },
    message: '',
    lastTransitionTime: '2030-01-01T00:00:00Z',
  });

  test('with its range, its number, how many nodes are in it, and what is wrong', () => {
    const status = { subnet: '10.0.0.0/20', vni: 5000, nodes: { n1: { gateway: '10.0.0.254' } } };
    const ready = [condition('Allocated', 'True', 'Allocated'), condition('Ready', 'True', 'Ready')];
    expect(row({ status: { ...status, conditions: ready } })).toEqual([
      'net',
      '10.0.0.0/20',
      '5000',
      '1',
      'Ready',
    ]);
    const full = [condition('Allocated', 'True', 'Allocated'), condition('Ready', 'False', 'NoFreeBlock')];
    expect(row({ status: { ...status, conditions: full } }).at(-1)).toBe('NoFreeBlock');
    expect(row({})).toEqual(['net', '-', '-', '0', 'Unknown']);
    expect(row({ spec: { external: 'lan' }, metadata: { name: 'net', deletionTimestamp: 'x' } })).toEqual([
      ...['net', 'external:lan', '-', '0', 'Deleting'],
    ]);
  });
});

describe('the networks of a service', () => {
  test('are named, with aliases', () => {
    expect(
      ofService({ networks: [{ name: 'front' }, { name: 'back', aliases: ['db', 'db.local'] }] }),
    ).toEqual([]);
    expect(ofService({ networks: [{ name: 'a' }, { name: 'a' }] })[0]).toMatch(/networks\[1\].*Duplicate/);
  });

  test('are objects: a plain name is refused with how it is written', () => {
    expect(problems('Service', { image: 'i', networks: ['front'] })[0]).toMatch(
      /spec.networks\[0\]: .*`- name: NETWORK`/,
    );
  });

  test('do not go with a network mode, nor do ports', () => {
    expect(ofService({ networkMode: 'host' })).toEqual([]);
    expect(ofService({ networkMode: 'none', networks: [{ name: 'a' }] })[0]).toMatch(
      /networkMode: Forbidden/,
    );
    expect(ofService({ networkMode: 'host', ports: [{ target: 80 }] })[0]).toMatch(/ports: Forbidden/);
    expect(ofService({ networks: [{ name: 'host' }] })[0]).toMatch(/set `networkMode: host`/);
  });

  test('are part of the template, so that a change of them makes a new revision; how it is balanced is not', () => {
    const hash = (spec: Partial<ServiceSpec>): string => contentHash(templateOf({ image: 'i', ...spec }));
    expect(hash({ networks: [{ name: 'a' }] })).not.toBe(hash({}));
    expect(hash({ networks: [{ name: 'a', aliases: ['b'] }] })).not.toBe(hash({ networks: [{ name: 'a' }] }));
    expect(hash({ endpointMode: 'dnsrr', sessionAffinity: { clientIP: { timeout: '1m' } } })).toBe(hash({}));
  });

  test('are `default` when none is named, and none with a network mode', () => {
    expect(networksOf({})).toEqual([{ name: 'default' }]);
    expect(networksOf({ networks: [{ name: 'a' }] })).toEqual([{ name: 'a' }]);
    expect(networksOf({ networkMode: 'host' })).toEqual([]);
  });
});

describe('the networks of a stack', () => {
  test('are maps of specs, checked as those of a Network', () => {
    expect(ofStack({ networks: { back: { internal: true }, default: {} } })).toEqual([]);
    expect(ofStack({ networks: { back: { subnet: '10.0.0.0/30' } } })[0]).toMatch(
      /spec.networks.back.subnet/,
    );
    expect(problems('Stack', { services: {}, networks: { back: null } })[0]).toMatch(/`{}` for a network/);
  });

  test('of orc leave the MAC to the address', () => {
    const macAddress = '02:00:00:00:00:01';
    const of = (networks?: ServiceSpec['networks']): string[] =>
      ofStack({
        services: { web: { image: 'i', macAddress, ...(networks === undefined ? {} : { networks }) } },
        networks: { back: {}, lan: { external: 'lan' } },
      });
    for (const networks of [undefined, [{ name: 'back' }], [{ name: 'default' }, { name: 'lan' }]])
      expect(of(networks)[0]).toMatch(/spec.services.web.macAddress: Forbidden/);
    expect(of([{ name: 'lan' }, { name: 'back' }])).toEqual([]);
    expect(of([{ name: 'other-lan' }])).toEqual([]);
    expect(ofService({ macAddress, networkMode: 'host' })[0]).toMatch(/spec.macAddress: Forbidden/);
  });

  test('are named by a service in one way', () => {
    const of = (name: string): string[] =>
      ofStack({ services: { web: { image: 'i', networks: [{ name }] } }, networks: { back: {} } }, 'shop');
    expect(of('back')).toEqual([]);
    expect(of('other-back')).toEqual([]);
    expect(of('shop-back')[0]).toMatch(/networks\[0\].name: .*name it back/);
    expect(of('shop-default')[0]).toMatch(/name it default/);
  });

  test('have names that objects can have', () => {
    expect(ofStack({ networks: { Back: {} } })[0]).toMatch(/spec.networks: .*DNS label/);
    expect(ofStack({ networks: { none: {} } })[0]).toMatch(/networkMode: none/);
    expect(ofStack({ networks: { ['b'.repeat(60)]: {} } }, 'stack')[0]).toMatch(/at most 63 characters/);
  });
});

test('keys of encrypted networks are used for ten minutes at least', () => {
  const ofCluster = (keyRotation: string): string[] =>
    problems('Cluster', { networks: { keyRotation } }, 'orc');
  expect(ofCluster('10m')).toEqual([]);
  expect(ofCluster('9m')[0]).toMatch(/spec.networks.keyRotation: .*at least 10m/);
});

describe('the pools of the cluster', () => {
  const ofCluster = (pools: unknown): string[] => problems('Cluster', { networks: { pools } }, 'orc');
  test('hold at least one network each, and do not overlap', () => {
    expect(ofCluster([{ cidr: '10.64.0.0/10', size: 20 }])).toEqual([]);
    expect(ofCluster([{ cidr: '10.64.0.0/16', size: 15 }])[0]).toMatch(/pools\[0\].size: .*at least 16/);
    expect(
      ofCluster([
        { cidr: '10.64.0.0/10', size: 20 },
        { cidr: '10.65.0.0/16', size: 20 },
      ])[0],
    ).toMatch(/pools\[1\].cidr: .*overlaps/);
  });
});
