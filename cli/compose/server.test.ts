/** What is left of a manager when a server was killed as it ended, and how it speaks of its Node until then. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import type { Pki } from '../../server/pki/index.ts';
import { noServerHere } from '../command.ts';
import { testIo } from '../testing.ts';
import { writeClusterFile, type ClusterFile, type ManagerFile } from './cluster-file.ts';
import { runWorker } from './node.ts';
import { endManager } from './role-change.ts';
import { ownNode, runServer } from './server.ts';

const asManager = { listen: '0.0.0.0:6750', advertise: '10.0.0.1:6750', peerPort: 6751 };
const worker: ClusterFile = {
  version: 1,
  nodeName: 'n1',
  role: 'worker',
  servers: ['https://10.0.0.2:6750'],
  asManager,
};

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'orc-server-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

const contextOf = () => ({
  io: testIo({ env: { ORC_CONFIG: join(dataDir, 'config') } }),
  clock: new FakeClock(),
  logger: silentLogger,
  signal: new AbortController().signal,
});
const flagsOf = () => ({
  dataDir,
  nodeName: 'n1',
  listen: { host: '127.0.0.1', port: 6750 },
  dockerHost: '',
});

describe('a worker on which a server was killed as it ended', () => {
  const secrets = ['pki/ca.key', 'pki/next-ca.key', 'pki/admin.key', 'etcd/data'];
  beforeEach(async () => {
    for (const name of ['pki', 'etcd']) mkdirSync(join(dataDir, name));
    for (const name of secrets) writeFileSync(join(dataDir, name), 'SECRET');
    await writeClusterFile(dataDir, worker);
  });
  const left = (): readonly string[] => secrets.filter((name) => existsSync(join(dataDir, name)));

  test('has no key of the CA any more when the server is started again', async () => {
    await expect(runServer(contextOf(), flagsOf(), worker)).rejects.toMatchObject({ exitCode: noServerHere });
    expect(left()).toEqual([]);
  });

  test('has none when its agent is started', async () => {
    const agent = { runtime: 'simulated', dockerHost: '' } as const;
    // It was never a node here: that is as far as it comes.
    await expect(runWorker(contextOf(), { dataDir, nodeName: 'n1', agent }, worker.servers)).rejects.toThrow(
      /cannot read .*pki/,
    );
    expect(left()).toEqual([]);
  });

  test('has none when the same process tries again after it could not be removed', async () => {
    const told: string[] = [];
    const parts = {
      context: contextOf(),
      flags: { ...flagsOf(), listen: undefined },
      file: worker,
      replace: () => Promise.reject(new Error('it is a worker already')),
      own: ownNode({ context: contextOf(), flags: flagsOf(), file: () => worker, manager: undefined }),
      tell: (reason: string) => Promise.resolve(void told.push(reason)),
    };
    await endManager(parts, undefined, new AbortController().signal);
    expect([left(), told]).toEqual([[], []]);
  });
});

test('a server that is to end speaks to the others alone, with all CAs that it trusts while the CA is replaced', () => {
  const pki = { trust: 'OLD NEW', ca: { cert: 'OLD' }, node: { cert: 'NODE', key: 'KEY' } } as Pki;
  const servers = () => ['https://10.0.0.1:6750', 'https://10.0.0.2:6750'];
  const part: ManagerFile = { ...asManager, etcd: 'leaving' };
  const file = (): ClusterFile => ({ ...worker, role: 'manager', manager: part });
  const own = ownNode({ context: contextOf(), flags: flagsOf(), file, manager: { pki, servers } });
  expect(own.servers()).toEqual(['https://10.0.0.2:6750']);
  expect(own.tls()).toEqual({ ca: 'OLD NEW', cert: 'NODE', key: 'KEY' });
});
