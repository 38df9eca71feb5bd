import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import type { Endpoints, Port, Task } from '../../../api-schemas/index.ts';
import { socketsOn } from '../listeners.ts';
import { bridgeName, engineNetworkName, networkName, subnet6 } from '../networks.ts';
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

const owner = (nodeName: string) => ({ cluster: 'c1', nodeName });

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
      },
    ]);
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
      endpoints('web', { target: 80, published: 8080 }),
      endpoints('dns', { target: 53, published: 53, protocol: 'udp' }),
      endpoints('local', { target: 80, published: 9000, hostIP: '127.0.0.1' }),
    ],
    [serving('web', '10.0.0.1', 'fd00::1'), serving('web', '10.0.0.2'), serving('local', '10.0.0.3')],
  );
  const golden = readFileSync(new URL('./testdata/rules.nft', import.meta.url), 'utf8');
  expect(ruleset('orc_ingress', ports, ['ip', 'ip6'])).toBe(golden);
});

describe('the network of a task', () => {
  test('is that of its stack, or of its namespace', () => {
    expect(networkName(task('web', 'default', 'hello'))).toBe('orc-default-hello');
    expect(networkName(task('web'))).toBe('orc-default');
  });

  test('is never that of another stack whose names join alike', () => {
    const names = [task('w', 'a-b', 'c'), task('w', 'a', 'b-c'), task('w', 'a-b'), task('w', 'a', 'b')].map(
      networkName,
    );
    expect(new Set(names).size).toBe(4);
  });

  test('has a bridge and a subnet that follow from its name', () => {
    expect(bridgeName(owner('node1'), 'orc-default')).toHaveLength(14);
    const other = { cluster: 'c2', nodeName: 'node1' };
    expect(bridgeName(other, 'orc-default')).not.toBe(bridgeName(owner('node1'), 'orc-default'));
    expect(engineNetworkName(other, 'x')).not.toBe(engineNetworkName(owner('node1'), 'x'));
    expect(bridgeName(owner('node1'), 'orc-default')).not.toBe(bridgeName(owner('node2'), 'orc-default'));
    expect(subnet6(owner('node1'), 'orc-default')).toMatch(
      /^fd[0-9a-f]{2}:[0-9a-f]{4}:[0-9a-f]{4}:[0-9a-f]{4}::\/64$/,
    );
  });
});

test('a listener is found in the kernel table by its port', () => {
  const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0
   1: 0100007F:1F90 0100007F:D2F0 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0`;
  expect(socketsOn(8080, table, true)).toEqual(['4711']);
  expect(socketsOn(80, table, true)).toEqual([]);
});
