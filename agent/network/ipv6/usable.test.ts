import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../kit/clock.ts';
import { ipv6Obstacle, ipv6Usable, lookedAt } from './usable.ts';

const sysctls =
  (values: Readonly<Record<string, string>>) =>
  (name: string): string | undefined =>
    values[name];
const on = {
  'all/disable_ipv6': '0',
  'default/disable_ipv6': '0',
  'all/forwarding': '0',
  'eth0/accept_ra': '0',
};
const eth0 = (address: string) => ({
  eth0: [{ address, family: 'IPv6' as const, internal: false, netmask: '', mac: '', cidr: null, scopeid: 0 }],
});

describe('the IPv6 of networks', () => {
  test('needs IPv6 that is on, and no address that others reach', () => {
    expect(ipv6Obstacle(sysctls(on), {})).toBeUndefined();
    expect(ipv6Usable(sysctls(on), {})).toBe(false);
    expect(ipv6Usable(sysctls(on), eth0('2001:db8::1'))).toBe(true);
    expect(ipv6Obstacle(sysctls({}), {})).toMatch(/no IPv6: load the module/);
    for (const which of ['all', 'default'])
      expect(ipv6Obstacle(sysctls({ ...on, [`${which}/disable_ipv6`]: '1' }), {})).toContain(
        `net.ipv6.conf.${which}.disable_ipv6 to 0`,
      );
  });

  test('is not to cost the host its default route', () => {
    const listening = { ...on, 'eth0/accept_ra': '1' };
    const zero = '0'.repeat(32);
    const route = (flags: string) => () => `${zero} 00 ${zero} 00 ${zero} 00000400 1 0 ${flags} eth0\n`;
    expect(ipv6Obstacle(sysctls(listening), eth0('2001:db8::1'), route('00000003'))).toBeUndefined();
    expect(ipv6Obstacle(sysctls(listening), eth0('2001:db8::1'), route('00450003'))).toContain(
      'net.ipv6.conf.eth0.accept_ra to 2',
    );
    expect(ipv6Obstacle(sysctls(listening), eth0('fe80::1'), route('00450003'))).toBeUndefined();
    expect(
      ipv6Obstacle(sysctls({ ...listening, 'all/forwarding': '1' }), eth0('2001:db8::1'), route('00450003')),
    ).toBeUndefined();
  });

  test('is looked at anew after a while', () => {
    const clock = new FakeClock();
    let obstacle: string | undefined = 'off';
    const look = lookedAt(clock, () => obstacle);
    expect(look()).toBe('off');
    obstacle = undefined;
    expect(look()).toBe('off');
    clock.advance(1_000);
    expect(look()).toBeUndefined();
  });
});
