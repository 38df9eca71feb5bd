import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { silentLogger } from '../../kit/log.ts';
import { Servers, type ServersOptions } from './servers.ts';

const [a, b, c, d] = ['https://a:1', 'https://b:1', 'https://c:1', 'https://d:1'] as const;
const servers = (more: Partial<ServersOptions> = {}): Servers =>
  new Servers({ initial: [a], logger: silentLogger, random: () => 0, ...more });

describe('the servers an agent knows', () => {
  let dir = '';
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'orc-servers-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  test('are those of the start until it is told of others, which come first from then on', () => {
    const known = servers();
    expect(known.round()).toEqual([a]);
    expect(known.learn([c, b])).toBe(true);
    expect(known.learn([b, c])).toBe(false);
    expect(known.round()).toEqual([b, c, a]);
    expect(known.learn([])).toBe(false);
    expect(known.learn(['http://x', 'nonsense', 'https://e/path'])).toBe(false);
    expect(known.all).toEqual([b, c, a]);
  });

  test('are tried at random, the one on this machine first and the one that was lost last', () => {
    const known = servers({ prefer: c });
    known.learn([a, b, c, d]);
    expect(known.round()[0]).toBe(c);
    expect(known.round(b).at(-1)).toBe(b);
    expect(known.round(c).at(-1)).toBe(c);
    let n = 0;
    const shuffled = servers({ random: () => (n = (n * 7 + 3) % 11) / 11 });
    shuffled.learn([a, b, c, d]);
    const firsts = new Set(Array.from({ length: 20 }, () => shuffled.round()[0]));
    expect(firsts.size).toBeGreaterThan(1);
  });

  test('are still known after a start that names none of them', async () => {
    const file = join(dir, 'agent', 'servers.json');
    const first = servers({ file });
    await first.load();
    first.learn([b, c]);
    await first.saved();
    const second = servers({ initial: [d], file });
    await second.load();
    expect(second.round()).toEqual([b, c, d]);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ servers: [b, c] });
  });

  test('that cannot be read are learned again', async () => {
    const file = join(dir, 'servers.json');
    await writeFile(file, '{"servers":');
    const known = servers({ file });
    await known.load();
    expect(known.all).toEqual([a]);
    known.learn([b]);
    await known.saved();
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({ servers: [b] });
  });
});
