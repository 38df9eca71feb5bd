import { describe, expect, test } from '@jest/globals';
import type { Endpoints, Network, Node, Port, ServiceSpec } from '../../api-schemas/index.ts';
import { aNode, aService, aTask, nodeMap } from '../runtime/testing.ts';
import { firstPort, lastPort, plan, type Holder } from './plan.ts';

const nodes = nodeMap(aNode('n1'), aNode('lost', { lost: true }));
const none = { holders: [], reserved: [], networks: new Map<string, Network>() };
const decide = (
  ports: readonly Port[],
  holders: readonly Holder[] = [],
  before: readonly Port[] = [],
  reserved: readonly number[] = [],
) => {
  const service = aService({ ports });
  const first = plan({ service, tasks: [], nodes, endpoints: undefined, ...none }).endpoints;
  return plan({
    ...none,
    service,
    tasks: [],
    nodes,
    holders,
    reserved,
    endpoints: { ...first, ports: before },
  });
};

describe('the endpoints plan', () => {
  test('has the addresses of the tasks that serve, and of no others', () => {
    const service = aService();
    const at = (ip: string) => ({ addresses: [{ network: 'n', ip }] });
    const tasks = [
      aTask(service, { slot: 2, nodeName: 'n1', status: at('10.0.0.2') }),
      aTask(service, { slot: 1, nodeName: 'n1', status: at('10.0.0.1') }),
      aTask(service, { slot: 3, nodeName: 'n1', state: 'Starting', status: at('10.0.0.3') }),
      aTask(service, { slot: 4, nodeName: 'n1', desiredState: 'Shutdown', status: at('10.0.0.4') }),
      aTask(service, { slot: 5, nodeName: 'n1', deleting: true, status: at('10.0.0.5') }),
      aTask(service, { slot: 6, nodeName: 'lost', status: at('10.0.0.6') }),
      aTask(service, { slot: 7, nodeName: 'n1', status: { ...at('10.0.0.7'), reason: 'Unhealthy' } }),
    ];
    const { endpoints } = plan({ service, tasks, nodes, endpoints: undefined, ...none });
    expect(endpoints.endpoints?.map((e) => e.ip)).toEqual(['10.0.0.1', '10.0.0.2']);
    const again = plan({ service, tasks: tasks.toReversed(), nodes, endpoints, ...none });
    expect(again.endpoints).toEqual(endpoints);
  });

  test('takes in no task of a node that has not looked at what runs there since it came, and lets none go', () => {
    const service = aService();
    const task = aTask(service, {
      ...{ slot: 1, nodeName: 'n1' },
      status: { addresses: [{ network: 'n', ip: '10.0.0.1' }] },
    });
    const node = aNode('n1');
    const nodesThat = (settled: boolean) =>
      nodeMap({ ...node, status: { ...node.status, engine: { ...node.status?.engine, settled } } } as Node);
    const next = (settled: boolean, endpoints?: Endpoints) =>
      plan({ service, tasks: [task], nodes: nodesThat(settled), endpoints, ...none }).endpoints;
    expect(next(false).endpoints).toEqual([]);
    expect(next(true).endpoints).toHaveLength(1);
    expect(next(false, next(true)).endpoints).toHaveLength(1);
  });

  test('chooses a port of the range, and keeps it', () => {
    const first = decide([{ target: 80 }]).endpoints.ports?.[0]?.published ?? 0;
    expect(first).toBeGreaterThanOrEqual(firstPort);
    expect(first).toBeLessThanOrEqual(lastPort);
    const kept: Port = { target: 80, protocol: 'tcp', mode: 'ingress', published: 31_000 };
    expect(decide([{ target: 80 }], [], [kept]).endpoints.ports).toEqual([kept]);
  });

  test('chooses another when someone else has it', () => {
    const kept: Port = { target: 80, protocol: 'tcp', published: 31_000 };
    const { endpoints } = decide(
      [{ target: 80 }],
      [{ port: kept, service: 'default/other', yields: true }],
      [kept],
    );
    expect(endpoints.ports?.[0]?.published).not.toBe(31_000);
  });

  test('chooses no port that is orc’s own, and gives one up that has become so; by number it may be asked for', () => {
    const [first] = decide([{ target: 80 }]).endpoints.ports ?? [];
    const own = first?.published ?? 0;
    const published = (...given: Parameters<typeof decide>) =>
      decide(...given).endpoints.ports?.[0]?.published;
    expect(published([{ target: 80 }], [], [], [own, own + 1])).toBe(own + 2);
    expect(published([{ target: 80 }], [], first && [first], [own])).toBe(own + 1);
    const [udp] = decide([{ target: 80, protocol: 'udp' }]).endpoints.ports ?? [];
    expect(published([{ target: 80, protocol: 'udp' }], [], [], [udp?.published ?? 0])).toBe(udp?.published);
    expect(published([{ target: 80, published: own }], [], [], [own])).toBe(own);
  });

  test('gives two ports of one service different numbers', () => {
    const { endpoints } = decide([{ target: 80 }, { target: 81 }, { target: 82, published: 30_500 }]);
    expect(new Set(endpoints.ports?.map((p) => p.published)).size).toBe(3);
  });

  test('leaves out a port that another has, and says who', () => {
    const port: Port = { target: 9, published: 80 };
    const result = decide([{ target: 80, published: 80 }], [{ port, service: 'default/old' }]);
    expect(result.endpoints.ports).toEqual([]);
    expect(result.taken.map((holder) => holder.service)).toEqual(['default/old']);
    const other = decide(
      [{ target: 80, published: 80, protocol: 'udp' }],
      [{ port, service: 'default/old' }],
    );
    expect(other.taken).toEqual([]);
  });

  test('says when no port is free', () => {
    const holders = Array.from({ length: lastPort - firstPort + 1 }, (_, i) => ({
      port: { target: 1, published: firstPort + i },
      service: 'default/greedy',
    }));
    expect(decide([{ target: 80 }], holders).exhausted).toHaveLength(1);
  });
});

describe('a service on networks', () => {
  const network = (name: string, virtualIPs: Readonly<Record<string, string>> = {}): [string, Network] => [
    name,
    {
      apiVersion: 'orc.dev/v1',
      kind: 'Network',
      metadata: { name, namespace: 'default' },
      spec: {},
      status: {
        virtualIPs,
        nodes: { n1: { gateway: '10.9.0.1', blocks: ['10.0.1.0/27', '10.1.1.0/27'] } },
      },
    },
  ];
  const networks = new Map([network('a', { web: '10.0.0.7', db: '10.0.0.8' }), network('b')]);
  const on = (spec: Partial<ServiceSpec>, before?: ReturnType<typeof plan>['endpoints']) => {
    const service = aService({ networks: [{ name: 'a', aliases: ['www'] }, { name: 'b' }], ...spec });
    const addresses = [
      { network: 'a', ip: '10.0.1.1' },
      { network: 'b', ip: '10.1.1.1' },
      { network: 'of-an-old-revision', ip: '10.2.1.1' },
    ];
    const tasks = [aTask(service, { nodeName: 'n1', status: { addresses } })];
    return plan({ ...none, service, tasks, nodes, endpoints: before, networks }).endpoints;
  };

  test('has its virtual IP and aliases on each, and its tasks have an address on each', () => {
    const endpoints = on({});
    expect(endpoints.networks).toEqual([
      { network: 'a', virtualIP: '10.0.0.7', aliases: ['www'] },
      { network: 'b' },
    ]);
    expect(endpoints.mode).toBe('vip');
    expect(endpoints.endpoints).toEqual([
      {
        task: 'web-1-1',
        slot: 1,
        nodeName: 'n1',
        ip: '10.0.1.1',
        addresses: [
          { network: 'a', ip: '10.0.1.1' },
          { network: 'b', ip: '10.1.1.1' },
        ],
      },
    ]);
  });

  test('has no address that its node was not given', () => {
    const service = aService({ networks: [{ name: 'a' }] });
    const at = (ip: string) => {
      const tasks = [aTask(service, { nodeName: 'n1', status: { addresses: [{ network: 'a', ip }] } })];
      return plan({ ...none, service, tasks, nodes, endpoints: undefined, networks }).endpoints
        .endpoints?.[0];
    };
    expect(at('10.0.1.31')?.addresses).toEqual([{ network: 'a', ip: '10.0.1.31' }]);
    expect(at('10.0.1.32')).not.toHaveProperty('addresses');
    expect(at('10.0.0.8')).not.toHaveProperty('addresses');
  });

  test('has no virtual IP with dnsrr, and an affinity only while it asks for one', () => {
    const before = on({ sessionAffinity: { clientIP: {} } });
    expect(before.sessionAffinity).toEqual({ clientIP: { timeout: '3h' } });
    const after = on({ endpointMode: 'dnsrr' }, before);
    expect(after).toMatchObject({ mode: 'dnsrr', networks: [{ network: 'a' }, { network: 'b' }] });
    expect(after.networks?.[0]).not.toHaveProperty('virtualIP');
    expect(after).not.toHaveProperty('sessionAffinity');
  });

  test('with a network mode is on none', () => {
    const service = aService({ networkMode: 'host' });
    const { endpoints } = plan({ ...none, service, tasks: [], nodes, endpoints: on({}) });
    expect(endpoints).not.toHaveProperty('networks');
    expect(endpoints).not.toHaveProperty('mode');
  });
});
