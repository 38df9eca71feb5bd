import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { checkReadable, checkWritable, readFileOf } from './file-flag.ts';
import { orc } from './testing.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'orc-files-'));
  writeFileSync(join(dir, 'there'), 'text');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const env = { ORC_CONFIG: '/nonexistent/config', ORC_PASSPHRASE: 'long enough' };

test('a file that a flag names is read, or the error says which flag and why', () => {
  expect(readFileOf('--x', join(dir, 'there'))).toBe('text');
  expect(() => readFileOf('--x', '/nope')).toThrow('--x /nope cannot be read: there is no such file');
  expect(() => readFileOf('--x', dir)).toThrow('it is a folder');
  expect(() => checkReadable('the backup', '/nope')).toThrow('the backup /nope cannot be read');
});

describe('a place to write to', () => {
  test('is a folder that is there', () => {
    checkWritable('a backup', join(dir, 'new'), false);
    expect(() => checkWritable('a backup', '/nodir/x', false)).toThrow(
      'a backup cannot be written to /nodir: there is no such folder',
    );
    expect(() => checkWritable('a backup', dir, true)).toThrow('is a folder');
  });

  test('is not what is there already, unless that is to be replaced', () => {
    expect(() => checkWritable('a backup', join(dir, 'there'), false)).toThrow('is there already');
    checkWritable('a backup', join(dir, 'there'), true);
  });
});

test.each([
  [['join', '--token-file', '/nope', '10.0.0.1'], '--token-file /nope cannot be read: there is no such file'],
  [['cluster', 'backup', '/nodir/x'], 'cannot be written to /nodir: there is no such folder'],
  [['cluster', 'backup'], 'e.g. orc cluster backup orc.backup'],
  [['cluster', 'restore'], 'e.g. orc cluster restore orc.backup'],
  [['cluster', 'restore', '/nope'], 'the backup /nope cannot be read: there is no such file'],
  [['cluster', 'backup', '/tmp/x', '--passphrase-file', '/nope'], '--passphrase-file /nope cannot be read'],
])('is told before all else: orc %j', async (args, said) => {
  const { code, err } = await orc(args, { env });
  expect({ code, err }).toEqual({ code: 2, err: expect.stringContaining(said) });
});
