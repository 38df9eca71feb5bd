import { expect, test } from '@jest/globals';
import { routesIn } from './routes.ts';

test('a node says what it has routes to, of both families, but not of its links and of orc', () => {
  const of = (...all: readonly (readonly [string, string])[]): string =>
    JSON.stringify(all.map(([dst, dev]) => ({ dst, dev })));
  expect(routesIn(of(['default', 'eth0'], ['10.64.0.0/20', 'orc-1'], ['192.168.0.7', 'tun0']))).toEqual([
    { to: '192.168.0.7/32', of: 'dev tun0' },
  ]);
  const six = of(
    ...([['fe80::/64', 'eth0'], ['fd00::/64', 'eth0'], ['fd12::/64', 'ovab12-1'], ['fd09::1', 'tun0']] as const), // prettier-ignore
    ...([
      ['fd6f::1', 'owab12-0'],
      ['default', 'eth0'],
    ] as const),
  );
  expect(routesIn(six)).toEqual([
    { to: 'fd00::/64', of: 'dev eth0' },
    { to: 'fd09::1/128', of: 'dev tun0' },
  ]);
  expect(routesIn('')).toEqual([]);
});
