import { expect, test } from '@jest/globals';
import { linesOf, mergeByTime, parseLine, type LogLine } from './lines.ts';

async function* chunks(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test('a line is split from its time', () => {
  expect(parseLine('2030-01-01T00:00:00.000000001Z hello ')).toEqual({
    time: '2030-01-01T00:00:00.000000001Z',
    text: 'hello ',
  });
  expect(parseLine('no time here\r')).toEqual({ time: '', text: 'no time here' });
});

test('lines are put together from pieces, the last without an end too', async () => {
  expect((await all(linesOf(chunks('a\nb', 'c\n', '\nd')))).map((l) => l.text)).toEqual(['a', 'bc', '', 'd']);
});

test('characters cut between pieces stay whole', async () => {
  const [first, second] = [Buffer.from('é').subarray(0, 1), Buffer.from('é\n').subarray(1)];
  async function* cut(): AsyncGenerator<Buffer> {
    yield await Promise.resolve(first);
    yield second;
  }
  expect((await all(linesOf(cut()))).map((l) => l.text)).toEqual(['é']);
});

test('several logs are merged by time', async () => {
  const log = (...seconds: number[]): AsyncGenerator<LogLine> =>
    linesOf(chunks(seconds.map((s) => `2030-01-01T00:00:0${String(s)}Z ${String(s)}\n`).join('')));
  const merged = await all(
    mergeByTime([
      { tag: 'a', lines: log(1, 4) },
      { tag: 'b', lines: log(2, 3) },
      { tag: 'c', lines: log() },
    ]),
  );
  expect(merged.map(({ tag, line }) => tag + line.text)).toEqual(['a1', 'b2', 'b3', 'a4']);
});
