import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { diffItems } from '../apply/known.ts';
import { load } from './load.ts';
import { readSources, type Source } from './sources.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'orc-manifest-'));
});
afterEach(() => rm(dir, { recursive: true }));

const read = (paths: readonly string[], recursive = false, stdin = ''): Promise<Source[]> =>
  readSources(paths, {
    recursive,
    stdin: Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]),
    signal: new AbortController().signal,
  });

describe('sources', () => {
  beforeEach(async () => {
    await mkdir(join(dir, 'sub'));
    for (const name of ['b.yml', 'a.yaml', 'c.json', 'notes.txt', '.#b.yml', 'sub/d.yml'])
      await writeFile(join(dir, name), name);
  });
  const names = (sources: readonly Source[]): string[] => sources.map((s) => basename(s.name));

  test('of a directory are its manifests, sorted, without editors’ leftovers', async () => {
    expect(names(await read([dir]))).toEqual(['a.yaml', 'b.yml', 'c.json']);
    expect(names(await read([dir], true))).toEqual(['a.yaml', 'b.yml', 'c.json', 'd.yml']);
  });

  test('may be patterns', async () => {
    expect(names(await read([join(dir, '*.yml')]))).toEqual(['b.yml']);
    expect(names(await read([join(dir, '**/*.yml')]))).toEqual(['b.yml', 'd.yml']);
    expect(names(await read([join(dir, '[ab].y*')]))).toEqual(['a.yaml', 'b.yml']);
  });

  test('may be standard input, once', async () => {
    expect(await read(['-'], false, 'text')).toEqual([{ name: 'stdin', text: 'text' }]);
    await expect(read(['-', '-'])).rejects.toThrow('only once');
  });

  test('that are not there are errors', async () => {
    await expect(read([join(dir, 'nope.yml')])).rejects.toThrow('does not exist');
    await expect(read([join(dir, '*.toml')])).rejects.toThrow('no file matches');
    await mkdir(join(dir, 'empty'));
    await expect(read([join(dir, 'empty')])).rejects.toThrow('no manifest in directory');
  });

  test('may be addresses', async () => {
    const server: Server = createServer((request, response) => {
      response.statusCode = request.url === '/ok.yml' ? 200 : 404;
      response.end('from afar');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    try {
      expect(await read([`${base}/ok.yml`])).toEqual([{ name: `${base}/ok.yml`, text: 'from afar' }]);
      await expect(read([`${base}/gone.yml`])).rejects.toThrow('404');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
});

const service = (name: string, image = 'web:1', more = ''): string =>
  `apiVersion: orc.dev/v1\nkind: Service\nmetadata: {name: ${name}${more}}\nspec: {image: '${image}'}\n`;
const namespace = 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n';
const from = (text: string, name = 'x.yml'): Source => ({ name, text });

describe('loading', () => {
  test('puts namespaces first and objects into the namespace', () => {
    const { items, problems } = load([from(`${service('web')}---\n${namespace}`)], 'shop', false);
    expect(problems).toEqual([]);
    expect(items.map((i) => i.key)).toEqual(['namespaces//shop', 'services/shop/web']);
    expect(items[1]?.object.metadata.namespace).toBe('shop');
  });

  test('refuses an object given twice, and says where it is first', () => {
    const { problems } = load(
      [from(service('web'), 'a.yml'), from(service('web'), 'b.yml')],
      'default',
      false,
    );
    expect(problems).toEqual([
      expect.objectContaining({
        source: 'b.yml',
        line: 3,
        message: expect.stringContaining('first in a.yml:3'),
      }),
    ]);
  });

  test('refuses another namespace than the one asked for', () => {
    const { problems } = load([from(service('web', 'web:1', ', namespace: other'))], 'shop', true);
    expect(problems).toEqual([expect.objectContaining({ path: 'metadata.namespace' })]);
  });
});

describe('what changed since the last apply', () => {
  const loaded = (...sources: Source[]) => load(sources, 'default', false);
  const keys = (items: readonly { key: string }[]): string[] => items.map((i) => i.key);
  const before = diffItems(new Map(), loaded(from(service('a'), 'a.yml'), from(service('b'), 'b.yml')), [
    'a.yml',
    'b.yml',
  ]).next;

  test('is what has another text', () => {
    const { news, left } = diffItems(
      before,
      loaded(from(service('a'), 'a.yml'), from(service('b', 'web:2'), 'b.yml')),
      ['a.yml', 'b.yml'],
    );
    expect([keys(news), keys(left)]).toEqual([['services/default/b'], []]);
  });

  test('has lost the objects of a file that is gone, not those of one that is empty', () => {
    const gone = diffItems(before, loaded(from(service('a'), 'a.yml')), ['a.yml']);
    expect(keys(gone.left)).toEqual(['services/default/b']);
    const emptied = diffItems(before, loaded(from(service('a'), 'a.yml'), from('', 'b.yml')), [
      'a.yml',
      'b.yml',
    ]);
    expect(keys(emptied.left)).toEqual([]);
  });
});
