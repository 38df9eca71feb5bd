import { describe, expect, test } from '@jest/globals';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the demo could leave on the machine: processes, links, tables, chains, mounts. */
function machine(): Record<string, string> {
  const run = (...argv: string[]): string =>
    spawnSync(argv[0] ?? '', argv.slice(1), { encoding: 'utf8' }).stdout;
  return {
    processes: execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes(join(root, '.orc/demo')))
      .join('\n'),
    links: run('ip', '-o', 'link')
      .replace(/^\d+: /gm, '')
      .split('\n')
      .map((line) => line.split(':')[0] ?? '')
      // Engines of other tests have links of their own.
      .filter((name) => !name.startsWith('orct'))
      .sort()
      .join('\n'),
    tables: run('nft', 'list', 'tables')
      .split('\n')
      .filter((line) => line.includes('orc'))
      .join('\n'),
    filter: run('iptables', '-S'),
    nat: run('iptables', '-t', 'nat', '-S'),
    mounts: readFileSync('/proc/self/mounts', 'utf8')
      .split('\n')
      .filter((line) => line.includes('.orc/demo'))
      .join('\n'),
    forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8'),
  };
}

const demo = (...args: string[]) =>
  spawnSync(process.execPath, ['scripts/demo.mjs', '--exit', ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout: 240_000,
  });

describe('npm run demo -- --exit', () => {
  test('shows the main job, and leaves nothing', () => {
    const before = machine();
    const { stdout, stderr, status } = demo();
    expect(stderr).not.toContain('npm ci');
    expect(stdout).toContain('stack/hello converged');
    expect(stdout).toMatch(/× hello from /);
    expect(stdout).toMatch(/healed: hello-web-\d-\w+ is Running \d+ ms after the kill/);
    expect(status).toBe(0);
    expect(machine()).toEqual(before);
    expect(existsSync(join(root, '.orc/demo'))).toBe(false);
  }, 300_000);

  test('shows the same on the simulated runtime', () => {
    const { stdout, status } = demo('--simulated');
    expect(stdout).toContain('stack/hello converged');
    expect(stdout).toMatch(/healed: /);
    expect(status).toBe(0);
  }, 120_000);
});
