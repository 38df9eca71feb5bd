import { afterAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wasRemoved } from './etcd-log.ts';

const line = (msg: string, more: object): string => `${JSON.stringify({ level: 'info', msg, ...more })}\n`;
const noise = line('stopped remote peer', { 'remote-peer-id': 'b1' }).repeat(2000);
const removal = (id: string): string =>
  line('removed member', { 'cluster-id': 'c0', 'local-member-id': 'a1', 'removed-remote-peer-id': id });
const said = line('server error', { error: 'the member has been permanently removed from the cluster' });

describe('wasRemoved', () => {
  const dir = mkdtempSync(join(tmpdir(), 'orc-etcd-log-'));
  const file = join(dir, 'etcd.log');
  afterAll(() => rmSync(dir, { recursive: true }));
  const found = (log: string, from = 0): boolean => {
    writeFileSync(file, log);
    return wasRemoved(file, from);
  };

  test('finds what etcd said long before the end of its log', () => {
    expect(noise.length).toBeGreaterThan(64 * 1024);
    expect(found(said + noise)).toBe(true);
  });
  test('finds its own removal, and takes that of another for none', () => {
    expect(found(removal('a1') + noise)).toBe(true);
    expect(found(removal('b1') + noise)).toBe(false);
  });
  test('reads nothing of an earlier run, and everything of a log that was cut since', () => {
    expect(found(said + noise, said.length)).toBe(false);
    expect(found(said, 1_000_000)).toBe(true);
  });
  test('is false without a log', () => {
    expect(wasRemoved(join(dir, 'none'), 0)).toBe(false);
  });
});
