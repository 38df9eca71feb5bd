import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { NoContext } from '../../client/index.ts';
import { hereIn, withoutContext } from './here.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'orc-here-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const write = (file: object): void => writeFileSync(join(dir, 'cluster.json'), JSON.stringify(file));
const said = () => withoutContext(new NoContext('/c'), hereIn(dir));

test('who has no context on a worker is sent to a manager, and told of the context there', () => {
  write({ version: 1, nodeName: 'w', role: 'worker', servers: ['https://10.0.0.1:6750'] });
  expect(said().message).toBe(
    'no cluster is configured (/c): this machine is a worker of one, and a worker has no context',
  );
  expect(said().remedy).toMatch(/^run this on a manager \(10\.0\.0\.1:6750\), or copy the ~\/\.orc\/config/);
});

test('an agent by itself is a worker, too', () => {
  mkdirSync(join(dir, 'pki'));
  writeFileSync(join(dir, 'pki/node.crt'), '');
  expect(said().message).toContain('a worker of one');
  writeFileSync(join(dir, 'pki/ca.key'), '');
  expect(said().message).toContain('start one with `orc up`');
});

test("on a manager the context is another user's", () => {
  write({ version: 1, nodeName: 'm', role: 'manager', servers: [] });
  expect(said().message).toContain('this machine is a manager of one');
});

test('elsewhere a cluster is to be started, as on a machine that has left one', () => {
  expect(said().message).toContain('start one with `orc up`');
  write({ version: 1, nodeName: 'w', role: 'worker', servers: [], hasLeft: true });
  expect(said().message).toContain('start one with `orc up`');
});
