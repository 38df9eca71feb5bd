import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import type { NetworksAround } from '../runtime/types.ts';
import { Routes } from './routes.ts';

const json = JSON.stringify([
  { dst: 'default', dev: 'eth0' },
  { dst: '172.17.0.0/16', dev: 'docker0' },
  { dst: '10.64.0.0/20', dev: 'orc-0123456789' },
  { dst: '10.64.16.0/20', dev: 'ov12ab-1001' },
  { dst: '10.9.0.1', dev: 'tun0' },
]);
const six = JSON.stringify([
  { dst: 'fe80::/64', dev: 'eth0' },
  { dst: 'fd00::/64', dev: 'eth0' },
  { dst: 'fd12:3456:7800:1001::/64', dev: 'ov12ab-1001' },
  { dst: 'fd6f::1', dev: 'ow12ab-0' },
  { dst: 'fd09::1', dev: 'tun0' },
  { dst: 'default', dev: 'eth0' },
]);
const network = (name: string, subnet: string, isOurs = false) => ({
  id: name,
  name,
  subnets: [subnet],
  isOurs,
});
const pool = { of: 'default-address-pools of the engine', pool: true };

async function world(around: () => Promise<NetworksAround>) {
  const clock = new FakeClock(0);
  let changes = 0;
  const run = (argv: readonly string[]) =>
    Promise.resolve({ code: 0, stdout: argv.includes('-6') ? six : json, stderr: '' });
  const routes = new Routes({ run, around, clock, logger: silentLogger, onChange: () => changes++ });
  const look = async (): Promise<void> => {
    for (let i = 0; i < 30; i++) await Promise.resolve();
    clock.advance(30_000);
    for (let i = 0; i < 30; i++) await Promise.resolve();
  };
  await look();
  return { routes, look, changes: () => changes };
}

describe('what no network may overlap on a node', () => {
  test('are its routes, the networks of its engine by name, and what the engine takes ranges from', async () => {
    const { routes, look, changes } = await world(() =>
      Promise.resolve({
        networks: [
          network('bridge', '172.17.0.0/16'),
          network('lan', '192.168.7.0/24'),
          network('orc-default-shop', '10.64.0.0/20', true),
        ],
        pools: ['172.17.0.0/16', '172.18.0.0/15'],
      }),
    );
    expect(routes.current).toEqual([
      { to: '10.9.0.1/32', of: 'dev tun0' },
      { to: '172.17.0.0/16', of: 'engine network bridge' },
      { to: '172.18.0.0/15', ...pool },
      { to: '192.168.7.0/24', of: 'engine network lan' },
      // Each link has one of its own.
      { to: 'fd00::/64', of: 'dev eth0' },
      { to: 'fd09::1/128', of: 'dev tun0' },
    ]);
    await look();
    expect(changes()).toBe(1);
    routes.close();
  });

  test('stays what the engine said last while it does not answer', async () => {
    let isDown = false;
    const { routes, look } = await world(() =>
      isDown
        ? Promise.reject(new Error('down'))
        : Promise.resolve({ networks: [network('lan', '192.168.7.0/24')], pools: [] }),
    );
    isDown = true;
    await look();
    expect(routes.current).toContainEqual({ to: '192.168.7.0/24', of: 'engine network lan' });
    routes.close();
  });
});
