import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { orc } from '../testing.ts';
import { checkAgentFlags, checkServerFlags } from './check.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'orc-check-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test.each([
  [['up', '--node-name', 'Bad_Name'], '--node-name "Bad_Name" is not a name', '--node-name bad-name'],
  [['server', '--node-name='], '--node-name "" is not a name', '--node-name node-a'],
  [['agent', '--node-name', 'a b'], '--node-name "a b" is not a name', '--node-name a-b'],
  [['up', '--docker-host', 'banana'], '--docker-host "banana" is no address', 'unix:///var/run/docker.sock'],
  [['agent', '--docker-host', 'ssh://host'], '--docker-host "ssh://host" is no address', 'unix://'],
  [['agent', '--docker-host', 'unix://'], '--docker-host "unix://" is no address', 'unix://'],
  [['up', '--controllers', 'foo'], 'there is no controller "foo"', 'choose of: stack'],
  [['server', '--controllers', 'stack,schduler'], 'no controller "schduler"', 'mean "scheduler"'],
  [['server', '--controllers='], '--controllers names none', 'choose of: stack'],
  [['up', '--listen', '[1.2.3.4]:80'], '--listen [1.2.3.4]:80: expected HOST:PORT', ''],
  [['up', '--listen', '127.0.0.1:99999'], 'expected HOST:PORT', ''],
  [['server', '--etcd-endpoints', 'banana'], '"banana" is not http or https://HOST:PORT', 'e.g.'],
  [['server', '--etcd-endpoints='], '--etcd-endpoints names none', 'e.g.'],
  [['up', '--etcd-ca-file', 'ca.pem'], '--etcd-ca-file is for an etcd of yours', '--etcd-endpoints'],
  [
    ['up', '--etcd-endpoints', 'https://h:1', '--etcd-ca-file', '/nonexistent/ca.pem'],
    '--etcd-ca-file cannot be read',
    '/nonexistent/ca.pem',
  ],
  [['up', '--etcd-endpoints', 'https://h:1', '--etcd-key-file', 'k'], 'go together', ''],
  [['agent', '--server-url', '127.0.0.1:6750'], 'is not https://HOST:PORT', '--server-url https://'],
])('is refused before anything is made: orc %j', async (args, said, remedy) => {
  const dataDir = join(dir, 'untouched');
  const { code, out, err } = await orc([...args, '--data-dir', dataDir]);
  expect([code, out]).toEqual([2, '']);
  expect(err).toContain(said);
  expect(err).toContain(remedy);
  expect(existsSync(dataDir)).toBe(false);
});

test.each([
  ['is not of this machine', '192.0.2.1:6750', 'not an address of this machine', 2],
  ['is no host', 'banana.invalid', 'there is no host "banana.invalid"', 2],
])('an address that %s is refused before etcd is started', async (_, listen, said, exit) => {
  const dataDir = join(dir, 'listen');
  const { code, err } = await orc(['up', '--listen', listen, '--runtime=simulated', '--data-dir', dataDir]);
  expect(code).toBe(exit);
  expect(err).toContain(said);
  expect(existsSync(join(dataDir, 'etcd'))).toBe(false);
});

test('an address in use is told before etcd is started', async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as AddressInfo;
  const dataDir = join(dir, 'in-use');
  const args = ['up', '--listen', `127.0.0.1:${String(port)}`, '--runtime=simulated', '--data-dir', dataDir];
  const { code, err } = await orc(args);
  expect([code, existsSync(join(dataDir, 'etcd'))]).toEqual([1, false]);
  expect(err).toContain(`127.0.0.1:${String(port)} is in use by another process`);
  await new Promise((resolve) => other.close(resolve));
});

test('what is right passes', async () => {
  const server = { nodeName: 'node-a.example', listen: '[::1]:7000' };
  expect(await checkServerFlags(server)).toEqual({ host: '::1', port: 7000 });
  expect(
    await checkServerFlags({ ...server, controllers: ['stack'], etcdEndpoints: ['http://h:2379'] }),
  ).toEqual({ host: '::1', port: 7000 });
  const hosts = [
    'unix:///run/docker.sock',
    '/run/docker.sock',
    'tcp://10.0.0.5',
    '10.0.0.5:2375',
    'https://h:1',
  ];
  for (const dockerHost of hosts) checkAgentFlags({ nodeName: 'a', runtime: 'docker', dockerHost });
  checkAgentFlags({ nodeName: 'a', runtime: 'simulated', dockerHost: 'whatever' });
});
