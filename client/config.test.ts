import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { configPath, loadConfig, loadContext, mergeContext, type Context } from './config.ts';

const orc: Context = {
  name: 'orc',
  endpoints: ['https://127.0.0.1:6750', 'https://10.0.0.2:6750'],
  ca: 'CA',
  cert: 'CERT',
  key: 'KEY',
};

describe('contexts', () => {
  let dir: string;
  let path: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'orc-config-'));
    path = join(dir, 'deep', 'config');
  });
  afterEach(() => rm(dir, { recursive: true }));

  test('come from $ORC_CONFIG, else from the home directory', () => {
    expect(configPath({ ORC_CONFIG: '/x' })).toBe('/x');
    expect(configPath({})).toMatch(/\.orc\/config$/);
  });

  test('are read as they were written, and only by their owner', async () => {
    await mergeContext(orc, { path });
    expect(await loadContext({ path })).toEqual(orc);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('leave others, and what kubectl keeps in the file, alone', async () => {
    await mergeContext({ ...orc, name: 'a', namespace: 'team' }, { path });
    const before = parse(await readFile(path, 'utf8')) as { users: object[]; clusters: object[] };
    await writeFile(
      path,
      JSON.stringify({
        ...before,
        preferences: { colors: true },
        users: [...before.users, { name: 'mine', user: { exec: {} } }],
      }),
    );
    await Promise.all(
      ['b', 'c', 'd'].map((name) => mergeContext({ ...orc, name }, { path, makeCurrent: false })),
    );
    await mergeContext({ ...orc, name: 'a', key: 'NEW' }, { path, makeCurrent: false });
    const config = await loadConfig(path);
    expect(config.contexts?.map(({ name }) => name).sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(config['preferences']).toEqual({ colors: true });
    expect(config.users).toContainEqual({ name: 'mine', user: { exec: {} } });
    expect(await loadContext({ path })).toEqual({ ...orc, name: 'a', namespace: 'team', key: 'NEW' });
  });

  test('of another cluster keep their name; the newcomer gets another, is current, and keeps that', async () => {
    await mergeContext({ ...orc, namespace: 'team' }, { path });
    expect(await mergeContext({ ...orc, ca: 'OTHER CA', key: 'OTHER KEY' }, { path })).toBe('orc-2');
    expect(await mergeContext({ ...orc, ca: 'THIRD CA' }, { path })).toBe('orc-3');
    expect(await mergeContext({ ...orc, ca: 'OTHER CA', key: 'NEW' }, { path })).toBe('orc-2');
    expect(await loadContext({ path })).toEqual({ ...orc, name: 'orc-2', ca: 'OTHER CA', key: 'NEW' });
    expect(await loadContext({ path, context: 'orc' })).toEqual({ ...orc, namespace: 'team' });
    expect(await mergeContext(orc, { path })).toBe('orc');
  });

  test('of one cluster keep their name while its CA is replaced', async () => {
    const pem = (word: string): string => `-----BEGIN CERTIFICATE-----\n${word}\n-----END CERTIFICATE-----\n`;
    for (const ca of [pem('A'), pem('B') + pem('A'), pem('B')])
      expect(await mergeContext({ ...orc, ca }, { path })).toBe('orc');
    expect(await mergeContext({ ...orc, ca: pem('A') }, { path })).toBe('orc-2');
  });

  test('do not take the cluster or the user of that name from another context', async () => {
    const file = join(dir, 'config');
    const mine = {
      clusters: [{ name: 'orc', cluster: { server: 'https://h:1', 'certificate-authority': 'ca.crt' } }],
      users: [{ name: 'orc-2', user: { token: 'mine' } }],
    };
    await writeFile(file, JSON.stringify(mine));
    expect(await mergeContext(orc, { path: file })).toBe('orc-3');
    const config = await loadConfig(file);
    expect(config.clusters).toContainEqual(mine.clusters[0]);
    expect(config.users).toContainEqual(mine.users[0]);
  });

  test('may name files instead of holding the certificates', async () => {
    await writeFile(join(dir, 'ca.crt'), 'FROM FILE');
    const file = join(dir, 'config');
    await writeFile(
      file,
      JSON.stringify({
        'current-context': 'k',
        clusters: [{ name: 'k', cluster: { server: 'https://h:1/', 'certificate-authority': 'ca.crt' } }],
        contexts: [{ name: 'k', context: { cluster: 'k', user: 'none' } }],
      }),
    );
    expect(await loadContext({ path: file })).toEqual({
      name: 'k',
      endpoints: ['https://h:1'],
      ca: 'FROM FILE',
    });
  });

  test('that are missing or wrong are refused with the remedy', async () => {
    await expect(loadContext({ path })).rejects.toThrow(/no cluster is configured .* `orc up`/);
    await mergeContext(orc, { path });
    await expect(loadContext({ path, context: 'prod' })).rejects.toThrow(
      /has no context "prod"; it has: orc/,
    );
    const broken = join(dir, 'broken');
    await writeFile(broken, 'a: [');
    await expect(loadContext({ path: broken })).rejects.toThrow(/is not valid YAML/);
    await writeFile(broken, 'contexts: 3');
    await expect(loadContext({ path: broken })).rejects.toThrow(/is not a kubeconfig file/);
  });

  test('that do not verify the server are refused', async () => {
    const cluster = { server: 'https://h:1', 'insecure-skip-tls-verify': true };
    const file = join(dir, 'config');
    const config = {
      'current-context': 'k',
      clusters: [{ name: 'k', cluster }],
      contexts: [{ name: 'k', context: { cluster: 'k' } }],
    };
    await writeFile(file, JSON.stringify(config));
    await expect(loadContext({ path: file })).rejects.toThrow(/always verifies the server/);
  });
});
