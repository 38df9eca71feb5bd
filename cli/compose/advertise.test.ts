import { describe, expect, test } from '@jest/globals';
import { advertisedAddress, ownAddress } from './advertise.ts';
import { waysOfHost, type Ways } from './ways.ts';

const everywhere = { host: '0.0.0.0', port: 6750 };
const ways = (
  addresses: readonly string[],
  routes: Readonly<Record<string, string>> = {},
): { readonly ways: Ways } => ({
  ways: {
    addresses: () => addresses.map((address, i) => ({ interface: `eth${String(i)}`, address })),
    addressTowards: (host) => Promise.resolve(routes[host]),
  },
});
const defaultRoute = '192.0.2.1';

describe('the address by which others reach a machine', () => {
  test('is the one that was given, or that it listens on', async () => {
    expect(await advertisedAddress('10.0.0.9', everywhere, ways([]))).toEqual({
      host: '10.0.0.9',
      port: 6750,
    });
    const listen = { host: '10.0.0.8', port: 7000 };
    expect(await advertisedAddress(undefined, listen, ways([]))).toEqual(listen);
    for (const all of ['0.0.0.0', '[::]:6750'])
      await expect(advertisedAddress(all, everywhere, ways(['10.0.0.5']))).rejects.toThrow(
        /other machines can reach/,
      );
  });

  test('is where its default route starts', async () => {
    const two = ways(['10.0.0.5', '10.1.0.5'], { [defaultRoute]: '10.1.0.5' });
    expect(await advertisedAddress(undefined, everywhere, two)).toMatchObject({ host: '10.1.0.5' });
  });

  test('is where a manager is reached from, before any default route', async () => {
    const two = ways(['10.0.0.5', '10.1.0.5'], { [defaultRoute]: '10.1.0.5', n1: '10.0.0.5' });
    const towards = ['gone', 'n1'];
    expect(await advertisedAddress(undefined, everywhere, { ...two, towards })).toMatchObject({
      host: '10.0.0.5',
    });
    // A manager on this very machine says nothing of how others reach it.
    const here = ways(['10.1.0.5'], { n1: '127.0.0.1' });
    expect(await advertisedAddress(undefined, everywhere, { ...here, towards })).toMatchObject({
      host: '10.1.0.5',
    });
  });

  test('is the only one that it has where no route says more', async () => {
    expect(await advertisedAddress(undefined, everywhere, ways(['10.0.0.5', 'fd00::5']))).toEqual({
      host: '10.0.0.5',
      port: 6750,
    });
    expect(await advertisedAddress(undefined, { host: '::', port: 6750 }, ways(['fd00::5']))).toMatchObject({
      host: 'fd00::5',
    });
  });

  test('is asked for where there are several, and none stands out', async () => {
    await expect(
      advertisedAddress(undefined, everywhere, ways(['10.0.0.5', '10.1.0.5'])),
    ).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('10.0.0.5 (eth0), 10.1.0.5 (eth1)') as unknown as string,
      remedy: 'say which, e.g. --advertise 10.0.0.5',
    });
    await expect(advertisedAddress(undefined, everywhere, ways(['fd00::5']))).rejects.toThrow(/no address/);
  });

  test('is loopback for a machine alone that nothing says more of', async () => {
    expect(await ownAddress(everywhere, ways(['10.0.0.5', '10.1.0.5']).ways)).toEqual({
      host: '127.0.0.1',
      port: 6750,
    });
    expect(await ownAddress(everywhere, ways(['10.0.0.5']).ways)).toMatchObject({ host: '10.0.0.5' });
  });
});

test('the kernel says from where a host is reached', async () => {
  expect(await waysOfHost.addressTowards('127.9.9.9')).toBe('127.0.0.1');
  expect(await waysOfHost.addressTowards('no-such-host.invalid')).toBeUndefined();
});
