import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { loadConfig, loadContext, mergeContext, saveConfig } from './config.ts';
import { parseServers } from './servers-header.ts';
import { nextEndpoints, rememberServers } from './servers.ts';

const [a, b, c] = ['https://10.0.0.1:6750', 'https://10.0.0.2:6750', 'https://10.0.0.3:6750'] as const;

describe('the servers of a context', () => {
  test('are those that servers tell of, the one that answered first', () => {
    expect(nextEndpoints([a], a, [a, b])).toEqual([a, b]);
    expect(nextEndpoints([a, b], b, [a, b])).toEqual([b, a]);
    expect(nextEndpoints([a, b], a, [a, b, c])).toEqual([a, b, c]);
  });

  test('stay as they are when there is nothing new, also when one is gone', () => {
    const known = [a, b, c];
    expect(nextEndpoints(known, a, [b, a])).toBe(known);
    expect(nextEndpoints(known, a, [])).toBe(known);
  });

  test('keep the way that a user has of their own, and do not grow without end', () => {
    const own = 'https://lb.example:443';
    expect(nextEndpoints([own], own, [a, b])).toEqual([own, a, b]);
    expect(nextEndpoints([own, a, b], a, [a, b])).toEqual([a, b, own]);
    const many = Array.from({ length: 40 }, (_, i) => `https://old-${String(i)}:6750`);
    expect(nextEndpoints(many, a, [b])).toHaveLength(12);
  });

  test('are read from a header that may be anything', () => {
    expect(parseServers(`${a}, ${b}`)).toEqual([a, b]);
    expect(parseServers(`http://10.0.0.1,${b}/x,javascript:1,`)).toEqual([]);
    expect(parseServers(undefined)).toEqual([]);
  });
});

describe('what is remembered', () => {
  let dir: string;
  let path: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'orc-servers-'));
    path = join(dir, 'config');
    await mergeContext({ name: 'lab', endpoints: [a], ca: 'CA', cert: 'CERT', key: 'KEY' }, { path });
    await mergeContext({ name: 'other', endpoints: [c], ca: 'OTHER' }, { path });
  });
  afterEach(() => rm(dir, { recursive: true }));

  test('is in the file for the next command, and nothing else in it changes', async () => {
    const before = await loadConfig(path);
    const clusters = before.clusters?.map((entry) =>
      entry.name === 'lab'
        ? {
            ...entry,
            cluster: { ...(entry['cluster'] as object), extensions: [{ name: 'x', extension: 1 }] },
          }
        : entry,
    );
    await saveConfig({ ...before, clusters: clusters ?? [] }, path);
    const memory = rememberServers('lab', [a], path);
    memory.onServers(a, [a, b]);
    memory.onServers(a, [a, b]);
    await memory.settled();
    expect(await loadContext({ path, context: 'lab' })).toMatchObject({ endpoints: [a, b], cert: 'CERT' });
    expect(await loadContext({ path, context: 'other' })).toMatchObject({ endpoints: [c] });
    const after = await loadConfig(path);
    expect(after['current-context']).toBe('other');
    expect(JSON.stringify(after.clusters)).toContain('{"name":"x","extension":1}');
  });

  test('is nothing where the file cannot be written', async () => {
    const memory = rememberServers('lab', [a], '/proc/nowhere/config');
    memory.onServers(b, [a, b]);
    await expect(memory.settled()).resolves.toBeUndefined();
  });
});
