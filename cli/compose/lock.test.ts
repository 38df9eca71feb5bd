import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { orc } from '../testing.ts';
import { lockDataDir, type Taker } from './lock.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'orc-lock-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const taker = (id: string): Taker => ({ id, isAlive: (other) => other.startsWith('live') });
const read = (): string => readFileSync(join(dir, 'orc.pid'), 'utf8').trim();
const takers = (n: number): readonly string[] => Array.from({ length: n }, (_, i) => `live-${String(i)}`);

/** The ids of those that got it. */
async function contend(ids: readonly string[]): Promise<readonly string[]> {
  const results = await Promise.allSettled(ids.map((id) => lockDataDir(dir, 'orc', taker(id))));
  return ids.filter((_, i) => results[i]?.status === 'fulfilled');
}

describe('the lock of a data directory', () => {
  test('is had by one process, which is named to others, until it gives it up', async () => {
    const unlock = await lockDataDir(dir, 'orc');
    await expect(lockDataDir(dir, 'orc')).rejects.toThrow(
      `another orc (process ${String(process.pid)}) already runs on ${dir}`,
    );
    await lockDataDir(dir, 'agent');
    await unlock();
    await (
      await lockDataDir(dir, 'orc')
    )();
    expect(readdirSync(dir)).toEqual(['agent.pid']);
  });

  test('is taken from a process that was killed, also when another has its number now', async () => {
    writeFileSync(join(dir, 'orc.pid'), `${String(process.pid)} 1\n`);
    await lockDataDir(dir, 'orc');
    expect(read()).not.toBe(`${String(process.pid)} 1`);
  });

  test('is had by exactly one of many that start at once', async () => {
    const got = await contend(takers(20));
    expect(got).toEqual([read()]);
  });

  test('is taken by exactly one of many that find the same dead process', async () => {
    for (let round = 0; round < 20; round++) {
      writeFileSync(join(dir, 'orc.pid'), `dead ${String(round)}\n`);
      const got = await contend(takers(20));
      expect(got).toEqual([read()]);
    }
    expect(readdirSync(dir)).toEqual(['orc.pid']);
  });

  test('is taken by one although a process died while it was taking it', async () => {
    writeFileSync(join(dir, 'orc.pid'), 'dead 1\n');
    writeFileSync(join(dir, 'orc.pid.after-dead-1'), 'dead 2\n');
    expect(await contend(takers(20))).toEqual([read()]);
    expect(readdirSync(dir)).toEqual(['orc.pid']);
  });

  test('is not taken while another is just taking it', async () => {
    writeFileSync(join(dir, 'orc.pid'), 'dead 1\n');
    writeFileSync(join(dir, 'orc.pid.after-dead-1'), 'live-x\n');
    expect(await contend(takers(5))).toEqual([]);
  });
});

test('a data directory that cannot be made is refused at once', async () => {
  writeFileSync(join(dir, 'file'), '');
  for (const bad of ['/proc/foo', '/proc/foo/bar', join(dir, 'file'), join(dir, 'file', 'below')]) {
    const { code, err } = await orc([
      'up',
      '--runtime=simulated',
      '--listen',
      '127.0.0.1:0',
      '--data-dir',
      bad,
    ]);
    expect(code).toBe(1);
    expect(err).toContain(`--data-dir ${bad} cannot be made`);
    expect(err).toContain('hint: choose a directory');
  }
});
