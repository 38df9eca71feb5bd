import { isIPv6 } from 'node:net';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  defaultPool6,
  formatSubnet6,
  ip4Of,
  ip6Of,
  ip6ToNumber,
  isWithin6,
  numberToIp6,
  overlaps6,
  parseSubnet6,
  subnet6Of,
} from './ipv6.ts';

const address = fc
  .tuple(fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }), fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }))
  // Runs of zeros, too.
  .map(([a, b]) => a & b & (b >> 7n));
const vni = fc.integer({ min: 4097, max: 2 ** 24 - 1 });
const pool = fc.string().map(defaultPool6);

describe('an IPv6 address', () => {
  test('is a number and back, as the kernel writes it', () => {
    fc.assert(
      fc.property(address, (number) => {
        const ip = numberToIp6(number);
        expect(isIPv6(ip)).toBe(true);
        expect(ip6ToNumber(ip)).toBe(number);
        const url = new URL(`http://[${ip}]/`).hostname;
        expect(`[${ip}]`).toBe(url);
      }),
    );
    expect(ip6ToNumber('::ffff:10.0.0.1')).toBe(0xffff0a000001n);
    for (const text of ['10.0.0.1', 'fe80::1%eth0', 'x', '']) expect(ip6ToNumber(text)).toBeUndefined();
  });
});

describe('an IPv6 range', () => {
  test('is read and written, and refused with the one that was likely meant', () => {
    for (const text of ['::/0', 'fd12:3456:7800::/40', 'fd12:3456:7800:1001::/64', '::1/128'])
      expect(formatSubnet6(parseSubnet6(text))).toBe(text);
    expect(() => parseSubnet6('fd12:3456:7890::/40')).toThrow('fd12:3456:7800::/40');
    for (const text of ['fd00::', '10.0.0.0/8', 'fd00::/129', 'fd00::/64/64', '/64'])
      expect(() => parseSubnet6(text)).toThrow('like fd12:3456:7800::/40');
  });

  test('overlaps those that it is in, or that are in it', () => {
    const [wide, inner, other] = ['fd00::/8', 'fd12::/64', 'fe80::/64'].map(parseSubnet6);
    if (wide === undefined || inner === undefined || other === undefined) throw new Error('three ranges');
    expect([overlaps6(wide, inner), overlaps6(inner, wide), overlaps6(inner, other)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([
      isWithin6('fd12::5', inner),
      isWithin6('fd12:0:0:1::', inner),
      isWithin6('1.2.3.4', inner),
    ]).toEqual([true, false, false]);
  });
});

describe('the IPv6 of networks', () => {
  test('comes of a pool of local addresses that differs between clusters and not within one', () => {
    expect(defaultPool6('a')).toBe(defaultPool6('a'));
    expect(defaultPool6('a')).not.toBe(defaultPool6('b'));
    fc.assert(
      fc.property(pool, (text) => {
        const { base, prefix } = parseSubnet6(text);
        expect([base >> 120n, prefix]).toEqual([0xfdn, 40]);
      }),
    );
  });

  test('is in each network another prefix of the pool', () => {
    expect(subnet6Of('fd12:3456:7800::/40', 0x1001)).toBe('fd12:3456:7800:1001::/64');
    expect(subnet6Of('fd12:3456:7800::/40', 2 ** 24 - 1)).toBe('fd12:3456:78ff:ffff::/64');
    fc.assert(
      fc.property(pool, vni, vni, (of, a, b) => {
        const [one, other] = [parseSubnet6(subnet6Of(of, a)), parseSubnet6(subnet6Of(of, b))];
        expect(overlaps6(one, parseSubnet6(of))).toBe(true);
        expect(overlaps6(one, other)).toBe(a === b);
      }),
    );
  });

  test('is for each IPv4 address one address, which leads back to it', () => {
    expect(ip6Of('fd12:3456:7800:1001::/64', '10.64.1.2')).toBe('fd12:3456:7800:1001::a40:102');
    fc.assert(
      fc.property(pool, vni, fc.ipV4(), (of, number, ip) => {
        const subnet = subnet6Of(of, number);
        const ip6 = ip6Of(subnet, ip);
        expect(isWithin6(ip6, parseSubnet6(subnet))).toBe(true);
        expect(ip4Of(subnet, ip6)).toBe(ip);
      }),
    );
    expect(ip4Of('fd12:3456:7800:1001::/64', 'fd12:3456:7800:1001:1::1')).toBeUndefined();
    expect(ip4Of('fd12:3456:7800:1001::/64', 'fd12::a40:102')).toBeUndefined();
  });
});
