/** By which address a machine says that it is reached, in a network without a default route. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from '@jest/globals';

const dir = mkdtempSync('/var/tmp/orc-address-');
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const program = fileURLToPath(new URL('../../bin/orc.mjs', import.meta.url));

/** Runs orc in a network namespace of its own, whose interfaces have these addresses. */
function orcWith(
  interfaces: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<{ readonly code: number; readonly err: string }> {
  const commands = Object.entries(interfaces).flatMap(([name, address]) => [
    `ip link add ${name} type bridge`,
    `ip address add ${address} dev ${name}`,
    `ip link set ${name} up`,
  ]);
  const script = ['set -e', 'ip link set lo up', ...commands, 'exec "$@"'].join('\n');
  const words = ['-n', 'sh', '-c', script, 'sh', process.execPath, '--no-warnings', program, ...args];
  const env = { ...process.env, ORC_CONFIG: join(dir, 'config'), NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile('unshare', words, { env }, (error, _out, err) =>
      resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 255, err }),
    );
  });
}

const init = (name: string): readonly string[] => [
  ...['init', '--no-start', '--runtime', 'simulated', '--name', name, '--data-dir', join(dir, name)],
];

test('the only address of a machine is the advertised one; a bridge of containers is none', async () => {
  const { code, err } = await orcWith({ sw0: '10.9.9.11/24', docker0: '172.17.0.1/16' }, init('one'));
  expect({ code, err }).toMatchObject({ code: 0 });
  const file = JSON.parse(readFileSync(join(dir, 'one/cluster.json'), 'utf8')) as object;
  expect(file).toMatchObject({
    servers: ['https://10.9.9.11:6750'],
    manager: { listen: '0.0.0.0:6750', advertise: '10.9.9.11:6750' },
  });
});

test('of several addresses none is taken by chance: nothing is made, and they are listed', async () => {
  const { code, err } = await orcWith({ sw0: '10.9.9.11/24', sw1: '10.8.8.11/24' }, init('two'));
  expect(code).toBe(2);
  expect(err).toMatch(/several addresses.*10\.9\.9\.11 \(sw0\), 10\.8\.8\.11 \(sw1\)/);
  expect(err).toContain('hint: say which, e.g. --advertise 10.9.9.11');
  expect(existsSync(join(dir, 'two/cluster.json'))).toBe(false);
});

test('a machine that no other can reach is not made the first manager of a cluster', async () => {
  const { code, err } = await orcWith({}, init('none'));
  expect(code).toBe(1);
  expect(err).toContain('no address that others could reach it by');
});
