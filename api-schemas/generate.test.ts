import { expect, test } from '@jest/globals';
import { spawnSync } from 'node:child_process';

test('the generated types are those of the schemas', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/generate.mjs', '--check'], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
