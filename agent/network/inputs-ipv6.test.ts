import { describe, expect, test } from '@jest/globals';
import type { Endpoints } from '../../api-schemas/index.ts';
import { ownAddresses, virtualIPs } from './inputs.ts';

const prefixes = new Map([['d/six', 'fd12:3456:7800:1001::/64']]);

describe('a container', () => {
  test('is reached by what orc gave it, and by all that it has on networks of others', () => {
    const at = (network: string, ...ips: readonly string[]) => ips.map((ip) => ({ network, ip }));
    const all = [
      ...at('d/six', '10.64.1.2', 'fd12:3456:7800:1001::a40:102', 'fd12:3456:7800:1001::a40:103'),
      ...at('d/four', '10.65.1.2', 'fdaa::2'),
      ...at('d/lan', '192.168.0.2', 'fdbb::2'),
    ];
    const own = ownAddresses(all, prefixes, (network) => network === 'd/lan');
    expect(own.map(({ ip }) => ip)).toEqual([
      ...['10.64.1.2', 'fd12:3456:7800:1001::a40:102', '10.65.1.2', '192.168.0.2', 'fdbb::2'],
    ]);
  });
});

describe('the virtual IPs of a service', () => {
  const web: Endpoints = {
    apiVersion: 'orc.dev/v1',
    kind: 'Endpoints',
    metadata: { name: 'web', namespace: 'd' },
    networks: ['six', 'four'].map((network, i) => ({ network, virtualIP: `10.64.${String(i)}.5` })),
    endpoints: [
      {
        ...{ task: 'w', nodeName: 'n', ip: '10.64.1.2' },
        addresses: ['10.64.1.2', 'fd12:3456:7800:1001::a40:102'].map((ip) => ({ network: 'six', ip })),
      },
    ],
  };

  test('are of both families where the container has both, each with the endpoints of its own', () => {
    const keys = new Set(['d/six', 'd/four']);
    expect(virtualIPs([web], keys, prefixes)).toEqual([
      { ip: '10.64.0.5', endpoints: ['10.64.1.2'] },
      { ip: 'fd12:3456:7800:1001::a40:5', endpoints: ['fd12:3456:7800:1001::a40:102'] },
      { ip: '10.64.1.5', endpoints: [] },
    ]);
    expect(virtualIPs([web], keys).map(({ ip }) => ip)).toEqual(['10.64.0.5', '10.64.1.5']);
  });
});
