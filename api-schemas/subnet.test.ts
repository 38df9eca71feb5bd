import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatSubnet, ipToNumber, isWithin, numberToIp, overlaps, parseSubnet, sizeOf } from './subnet.ts';

describe('a subnet', () => {
  test('is read and written', () => {
    expect(parseSubnet('10.64.16.0/20')).toEqual({
      base: 10 * 2 ** 24 + 64 * 2 ** 16 + 16 * 2 ** 8,
      prefix: 20,
    });
    for (const text of ['0.0.0.0/0', '255.255.255.255/32', '192.168.0.128/25'])
      expect(formatSubnet(parseSubnet(text))).toBe(text);
    expect(sizeOf(parseSubnet('10.0.0.0/27'))).toBe(32);
  });

  test('is refused with the one that was likely meant', () => {
    expect(() => parseSubnet('10.53.1.0/16')).toThrow('10.53.0.0/16');
    for (const text of [
      '10.0.0.0',
      '10.0.0.0/33',
      '10.0.0.256/24',
      '10.0.0/24',
      'fd00::/64',
      '10.0.0.0/8/8',
      '/8',
    ])
      expect(() => parseSubnet(text)).toThrow('like 10.20.0.0/20');
  });

  test('overlaps another when an address is in both', () => {
    const subnets = fc
      .tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 24, max: 32 }))
      .map(([last, prefix]) => ({ base: last - (last % 2 ** (32 - prefix)), prefix }));
    fc.assert(
      fc.property(subnets, subnets, (a, b) => {
        const shared = Array.from({ length: 256 }, (_, i) => i).some((i) => isWithin(i, a) && isWithin(i, b));
        expect(overlaps(a, b)).toBe(shared);
      }),
    );
  });
});

test('an address is a number and back', () => {
  fc.assert(
    fc.property(fc.ipV4(), (ip) => {
      expect(numberToIp(ipToNumber(ip) ?? -1)).toBe(ip);
    }),
  );
  expect(ipToNumber('::1')).toBeUndefined();
});
