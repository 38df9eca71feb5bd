import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { loadConfig, loadContext, mergeContext } from '../../client/index.ts';
import type { Pki } from '../../server/pki/index.ts';
import { testIo } from '../testing.ts';
import { keepContext } from './context.ts';

let dir: string;
let path: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'orc-context-'));
  path = join(dir, 'config');
});
afterEach(() => rm(dir, { recursive: true }));

test('a start of orc makes its context the current one, a renewal leaves that to the user', async () => {
  const pkiOf = (cert: string) => ({ trust: 'CA', admin: { cert, key: 'KEY' } }) as Pki;
  let onRenewed = (_: Pki): void => undefined;
  const manager = {
    pki: pkiOf('FIRST'),
    servers: () => ['https://10.0.0.1:6750'],
    onRenewed: (listener: typeof onRenewed) => void (onRenewed = listener),
  };
  const warnings: unknown[] = [];
  const io = testIo({ env: { ORC_CONFIG: path } });
  const said = await keepContext(io, manager, { warn: (...words: unknown[]) => void warnings.push(words) });
  expect(said).toBe(`context "orc" in ${path}`);
  expect((await loadConfig(path))['current-context']).toBe('orc');

  await mergeContext(
    { name: 'other', endpoints: ['https://other'], ca: 'OTHER CA', cert: 'C', key: 'K' },
    { path },
  );
  manager.pki = pkiOf('SECOND');
  onRenewed(manager.pki);
  while ((await loadContext({ path, context: 'orc' })).cert !== 'SECOND')
    await new Promise((resolve) => setImmediate(resolve));
  expect((await loadConfig(path))['current-context']).toBe('other');
  expect([warnings, io.err()]).toEqual([[], '']);
});
