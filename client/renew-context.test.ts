import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { loadContext, mergeContext, updateConfig, type Context } from './config.ts';
import { renewContext } from './renew-context.ts';

const orc: Context = {
  name: 'orc',
  endpoints: ['https://10.0.0.1:6750', 'https://10.0.0.2:6750'],
  ca: 'OLD CA',
  cert: 'OLD CERT',
  key: 'KEY',
  namespace: 'team',
};
const tls = { ca: 'OLD CA', cert: 'OLD CERT', key: 'KEY' };
const given = { ca: 'BOTH CAS', certificate: 'NEW CERT' };

describe('a context that is renewed', () => {
  let dir: string;
  let path: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'orc-renew-'));
    path = join(dir, 'config');
    await mergeContext({ ...orc, name: 'other', key: 'OTHER KEY' }, { path });
    await mergeContext(orc, { path });
  });
  afterEach(() => rm(dir, { recursive: true }));

  test('has the CAs and the certificate of the first server that answers, and the key that it had', async () => {
    const asked: string[] = [];
    const answer = await renewContext({
      endpoints: ['https://away:1', ...orc.endpoints],
      tls,
      context: 'orc',
      path,
      ask: (endpoint, identity) => {
        asked.push(endpoint);
        expect(identity).toBe(tls);
        return endpoint === 'https://away:1' ? Promise.reject(new Error('away')) : Promise.resolve(given);
      },
    });
    expect(answer).toBe(given);
    expect(asked).toEqual(['https://away:1', 'https://10.0.0.1:6750']);
    expect(await loadContext({ path })).toEqual({ ...orc, ca: 'BOTH CAS', cert: 'NEW CERT' });
    expect(await loadContext({ path, context: 'other' })).toMatchObject({ ca: 'OLD CA', cert: 'OLD CERT' });
  });

  test('forgets the files that it named', async () => {
    await updateConfig(
      (config) => ({
        ...config,
        users: [{ name: 'orc', user: { 'client-certificate': 'gone.pem', 'client-key-data': 'S0VZ' } }],
      }),
      path,
    );
    await renewContext({
      endpoints: orc.endpoints,
      tls,
      context: 'orc',
      path,
      ask: () => Promise.resolve(given),
    });
    expect(await loadContext({ path })).toMatchObject({ cert: 'NEW CERT', key: 'KEY' });
  });

  test('stays as it is when nobody answers, and says what the first one said', async () => {
    const ask = (endpoint: string): Promise<never> => Promise.reject(new Error(`no answer from ${endpoint}`));
    await expect(renewContext({ endpoints: orc.endpoints, tls, context: 'orc', path, ask })).rejects.toThrow(
      'no answer from https://10.0.0.1:6750',
    );
    expect(await loadContext({ path })).toEqual(orc);
  });
});
