import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { killAllOf, machine, runDemo, RunningDemo } from './demo-harness.ts';

/** Bridge, table and chain as another engine or another orc would name them. */
const foreign = {
  bridge: 'br-0123456789ab',
  orcBridge: 'orc-0123456789',
  table: 'orc_ingress_deadbeef',
  chain: 'DOCKER-MINE',
};

describe('npm run demo', () => {
  let parent = '';
  let dir = '';
  beforeEach(() => {
    parent = mkdtempSync('/var/tmp/orc-demo-');
    dir = join(parent, 'demo');
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  test('shows the main job on an engine of its own, and leaves nothing', () => {
    const before = machine(dir);
    const { stdout, stderr, code } = runDemo(['--exit', '--dir', dir]);
    expect(stderr).toBe('');
    expect(stdout).toContain('stack/hello converged');
    expect(stdout).toMatch(/× hello from /);
    expect(stdout).toMatch(/healed: hello-web-\d-\w+ is Running \d+ ms after the kill/);
    expect(code).toBe(0);
    expect(machine(dir)).toEqual(before);
    expect(existsSync(dir)).toBe(false);
  }, 300_000);

  test('shows the same on the simulated runtime', () => {
    const { stdout, code } = runDemo(['--exit', '--simulated', '--dir', dir]);
    expect(stdout).toContain('stack/hello converged');
    expect(stdout).toMatch(/healed: /);
    expect(code).toBe(0);
    expect(existsSync(dir)).toBe(false);
  }, 120_000);

  test('clears what a killed demo and its killed engine have left, and nothing that others made', async () => {
    const ip = (...args: string[]) => execFileSync('ip', ['link', ...args]);
    const before = machine(dir);
    const killed = new RunningDemo(['--dir', dir]);
    await killed.printed('Running until Ctrl-C');
    try {
      for (const name of [foreign.bridge, foreign.orcBridge]) ip('add', name, 'type', 'bridge');
      execFileSync('nft', ['add', 'table', 'ip', foreign.table]);
      execFileSync('iptables', ['-N', foreign.chain]);
      await killed.end('SIGKILL');
      for (const line of machine(dir)['processes']?.split('\n') ?? []) expect(line).not.toBe('');
      killAllOf(dir);

      const { stderr, code } = runDemo(['--exit', '--dir', dir]);
      expect(stderr).toContain('clearing what an interrupted demo has left');
      expect(code).toBe(0);
      const names = machine(dir);
      expect(names['links']).toContain(foreign.bridge);
      expect(names['links']).toContain(foreign.orcBridge);
      expect(names['rules']).toContain(foreign.table);
      expect(names['filter']).toContain(`-N ${foreign.chain}`);
    } finally {
      for (const name of [foreign.bridge, foreign.orcBridge]) spawnSync('ip', ['link', 'del', name]);
      spawnSync('nft', ['delete', 'table', 'ip', foreign.table]);
      spawnSync('iptables', ['-X', foreign.chain]);
      // The table came with our chain.
      if (!before['rules']?.includes('table ip filter'))
        spawnSync('nft', ['delete', 'table', 'ip', 'filter']);
    }
    expect(machine(dir)).toEqual(before);
  }, 300_000);

  test('leaves a folder alone that no demo made', () => {
    const { stderr, code } = runDemo(['--exit', '--simulated', '--dir', parent.replace(/[^/]*$/, '')]);
    expect(stderr).toContain('is not empty, and no demo made it');
    expect(code).toBe(1);
  }, 60_000);
});
