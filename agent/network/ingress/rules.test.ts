import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Endpoints, Port, Task } from '../../../api-schemas/index.ts';
import { socketsOn } from '../listeners.ts';
import { ingressPorts } from './ports.ts';
import { ruleset } from './rules.ts';

const task = (service: string, namespace = 'default', stack?: string): Task => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Task',
  metadata: {
    name: `${service}-1`,
    namespace,
    ...(stack === undefined ? {} : { labels: { 'orc.dev/stack': stack } }),
  },
  spec: { service, revision: 'r', desiredState: 'Running' },
});
const endpoints = (name: string, ...ports: Port[]): Endpoints => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Endpoints',
  metadata: { name, namespace: 'default' },
  ports,
});
const serving = (service: string, ...ips: string[]) => ({
  task: task(service),
  addresses: ips.map((ip) => ({ network: 'n', ip })),
});

describe('the ports of a node', () => {
  test('have the ready tasks of their service behind them', () => {
    const { ports, problems } = ingressPorts(
      [endpoints('web', { target: 80, published: 8080 }, { target: 81, published: 81, mode: 'host' })],
      [serving('web', '10.0.0.2'), serving('web', '10.0.0.1', 'fd00::1'), serving('db', '10.0.0.9')],
    );
    expect(problems).toEqual([]);
    expect(ports).toEqual([
      {
        namespace: 'default',
        service: 'web',
        published: 8080,
        target: 80,
        protocol: 'tcp',
        backends: ['10.0.0.1', '10.0.0.2', 'fd00::1'],
        remote: [],
      },
    ]);
  });

  test('have the ready tasks of other nodes behind them, too, unless they are local', () => {
    const tasks = ['here', 'there'].map((nodeName, i) => ({ task: `web-${i}`, nodeName, ip: `10.0.1.${i}` }));
    const service: Endpoints = {
      ...endpoints('web', { target: 80, published: 8080 }, { target: 80, published: 8081, mode: 'local' }),
      endpoints: tasks,
    };
    const { ports } = ingressPorts([service], [serving('web', '10.0.0.1')], 'here');
    expect(ports.map(({ backends, remote }) => ({ backends, remote }))).toEqual([
      { backends: ['10.0.0.1', '10.0.1.1'], remote: ['10.0.1.1'] },
      { backends: ['10.0.0.1'], remote: [] },
    ]);
  });

  test('do not show the client to a task on an internal network, which could not answer it', () => {
    const inside = { ...serving('web', '10.0.0.1'), isInternal: true };
    const ports: Port[] = [{ target: 80, published: 80 }, { target: 80, published: 81, mode: 'local' }]; // prettier-ignore
    const found = ingressPorts([endpoints('web', ...ports)], [inside]).ports;
    expect(found.map(({ backends, remote }) => [backends, remote])).toEqual([
      [['10.0.0.1'], ['10.0.0.1']],
      [['10.0.0.1'], ['10.0.0.1']],
    ]);
  });

  test('have what other nodes have of IPv6 behind them, too, and are none of IPv6 without', () => {
    const two = (network: string, ip: string, ip6: string) => [{ network, ip }, { network, ip: ip6 }]; // prettier-ignore
    const addresses = [...two('a', '10.0.1.1', 'fd12::1'), ...two('b', '10.0.2.1', 'fd13::1')];
    const service: Endpoints = {
      ...endpoints('web', { target: 80, published: 8080 }),
      endpoints: [{ task: 'w', nodeName: 'there', ip: '10.0.1.1', addresses }],
    };
    const { ports } = ingressPorts([service], [], 'here');
    expect(ports[0]?.remote).toEqual(['10.0.1.1', 'fd12::1']);
    expect(ruleset('orc_ingress', ports, ['ip6'])).toContain('elements = { tcp . 8080 : goto p_tcp_8080 }');
    const plain = ingressPorts(
      [endpoints('web', { target: 80, published: 8080 })],
      [serving('web', '10.0.0.1')],
    );
    expect(ruleset('orc_ingress', plain.ports, ['ip6'])).not.toContain('8080');
  });

  test('lead to a task that is on several networks by its first', () => {
    const { task: one } = serving('web');
    const task = { ...one, spec: { ...one.spec, networks: ['a', 'b'] } };
    const addresses = ['a', 'b'].map((network, i) => ({ network, ip: `10.0.${i}.1` }));
    const { ports } = ingressPorts(
      [endpoints('web', { target: 80, published: 8080 })],
      [{ task, addresses }],
    );
    expect(ports[0]?.backends).toEqual(['10.0.0.1']);
  });

  test('belong to one service; the other is told whose they are', () => {
    const { ports, problems } = ingressPorts(
      [
        endpoints('b', { target: 80, published: 80 }),
        endpoints('a', { target: 80, published: 80, hostIP: '10.0.0.1' }),
      ],
      [],
    );
    expect(ports.map(({ service }) => service)).toEqual(['a']);
    expect(problems[0]?.message).toBe('port 80/tcp is published by service default/a');
  });
});

test('the rules are one transaction per table, for tasks, for no tasks, and for one address', () => {
  const { ports } = ingressPorts(
    [
      {
        ...endpoints('web', { target: 80, published: 8080 }),
        endpoints: [{ task: 'w', nodeName: 'n2', ip: '10.0.0.9' }],
      },
      endpoints('dns', { target: 53, published: 53, protocol: 'udp' }),
      endpoints('local', { target: 80, published: 9000, hostIP: '127.0.0.1' }),
    ],
    [serving('web', '10.0.0.1', 'fd00::1'), serving('web', '10.0.0.2'), serving('local', '10.0.0.3')],
  );
  const golden = readFileSync(new URL('./testdata/rules.nft', import.meta.url), 'utf8');
  expect(ruleset('orc_ingress', ports, ['ip', 'ip6'])).toBe(golden);
});

test('a listener is found in the kernel table by its port', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0
   1: 0100007F:1F90 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0`;
  expect(socketsOn(8080, table, true)).toEqual(['4711']);
  expect(socketsOn(80, table, true)).toEqual([]);
});
