/** How a server by itself speaks of its Node when it ends. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import type { Pki } from '../../server/pki/index.ts';
import { testIo } from '../testing.ts';
import type { ClusterFile, ManagerFile } from './cluster-file.ts';
import { ownNode } from './server.ts';

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

test('a server that is to end speaks to the others alone, with all CAs that it trusts while the CA is replaced', () => {
  const pki = { trust: 'OLD NEW', ca: { cert: 'OLD' }, node: { cert: 'NODE', key: 'KEY' } } as Pki;
  const servers = () => ['https://10.0.0.1:6750', 'https://10.0.0.2:6750'];
  const part: ManagerFile = { ...asManager, etcd: 'leaving' };
  const file = (): ClusterFile => ({ ...worker, role: 'manager', manager: part });
  const own = ownNode({ context: contextOf(), flags: flagsOf(), file, manager: { pki, servers } });
  expect(own.servers()).toEqual(['https://10.0.0.2:6750']);
  expect(own.tls()).toEqual({ ca: 'OLD NEW', cert: 'NODE', key: 'KEY' });
});
