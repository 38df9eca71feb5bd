import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { FakeClock } from '../../../kit/clock.ts';
import { silentLogger } from '../../../kit/log.ts';
import type { Run } from '../commands.ts';
import { Firewall } from './index.ts';
import type { Wanted } from './plan.ts';

const read = (name: string): string => readFileSync(new URL(`./testdata/${name}`, import.meta.url), 'utf8');
const ufw = read('ufw.txt');
const networks: Wanted = {
  names: { bridge: 'orc-1', gateway: '10.64.0.1' },
  tunnels: { local: '10.0.0.1', peers: [] },
};

/** A kernel with iptables' rules and one table of nftables. */
function world(saved: string, wanted?: Wanted) {
  const clock = new FakeClock(0);
  const kernel = { saved, table: '' };
  const state = { wanted };
  const run: Run = ([command, ...args], stdin = '') => {
    const done = (stdout: string) => Promise.resolve({ code: 0, stdout, stderr: '' });
    if (command === 'iptables-save') return done(kernel.saved);
    if (command === 'iptables-restore') {
      const rules = [...stdin.matchAll(/^-I (INPUT .*)$/gm)].map(([, rule]) => `-A ${rule}\n`).join('');
      const gone = [...stdin.matchAll(/^-D (INPUT .*)$/gm)].map(([, rule]) => `-A ${rule}`);
      const left = kernel.saved
        .split('\n')
        .filter((line) => !gone.includes(line))
        .join('\n');
      kernel.saved = left.replace('-A INPUT', `${rules}-A INPUT`);
      return done('');
    }
    if (args.includes('chains'))
      return done(kernel.table === '' ? '{"nftables":[]}' : '{"nftables":[{"chain":{"family":"inet","table":"firewalld","name":"filter_INPUT","hook":"input"}}]}'); // prettier-ignore
    return done(kernel.table);
  };
  const firewall = new Firewall({
    ...{ run, clock, logger: silentLogger, onProblems: () => undefined },
    wanted: () => state.wanted,
  });
  /** After the look that is under way, and the next one. */
  const look = async (): Promise<void> => {
    for (let i = 0; i < 30; i++) await Promise.resolve();
    clock.advance(5_000);
    for (let i = 0; i < 30; i++) await Promise.resolve();
  };
  const ours = (): number => kernel.saved.split('\n').filter((line) => line.includes('orc: names')).length;
  return { kernel, state, firewall, look, ours };
}

test('the rules are there while they are needed, and come back when they are flushed', async () => {
  const { kernel, firewall, look, ours } = world(ufw, networks);
  await look();
  expect(ours()).toBe(2);
  kernel.saved = ufw;
  await look();
  expect(ours()).toBe(2);
  await firewall.close();
  expect(ours()).toBe(2);
});

test('what is there stays until it is known what is needed, and goes then, or with the node', async () => {
  const one = world(ufw, networks);
  await one.look();
  await one.firewall.close();
  const { state, look, ours } = world(one.kernel.saved);
  await look();
  expect(ours()).toBe(2);
  state.wanted = { tunnels: networks.tunnels };
  await look();
  expect(ours()).toBe(0);
  const last = world(ufw, networks);
  await last.look();
  await last.firewall.close(true);
  expect(last.ours()).toBe(0);
});

test('a table is told of as it is, and not as it was', async () => {
  const { kernel, firewall, look } = world('', networks);
  kernel.table = read('firewalld.json');
  for (let i = 0; i < 8; i++) await look();
  expect(firewall.problems()).toHaveLength(1);
  kernel.table = '{"nftables":[]}';
  await look();
  expect(firewall.problems()).toEqual([]);
});
