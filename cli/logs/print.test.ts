import { expect, test } from '@jest/globals';
import { Writable } from 'node:stream';
import { taking } from '../io.ts';
import { testIo } from '../testing.ts';
import { task } from '../testobjects.ts';
import { printer } from './print.ts';

/** A reader that takes one piece when it is asked to. */
function slowReader(): { readonly stream: Writable; read(): void; readonly text: () => string } {
  const waiting: { readonly text: string; readonly done: () => void }[] = [];
  let text = '';
  return {
    stream: new Writable({
      highWaterMark: 64,
      write: (chunk: Buffer, _, done) => void waiting.push({ text: chunk.toString(), done }),
    }),
    read() {
      const next = waiting.shift();
      text += next?.text ?? '';
      next?.done();
    },
    text: () => text,
  };
}

test('a slow reader slows the log, and loses nothing of it', async () => {
  const { stream, read, text } = slowReader();
  const print = printer({ ...testIo(), stdout: stream }, { prefix: true, color: false, timestamps: false });
  const web = task('web', 1, { state: 'Running' });
  let most = 0;
  const written = (async () => {
    for (let i = 0; i < 500; i++) {
      await print.line(web, { time: '', text: `line ${String(i)}` });
      most = Math.max(most, stream.writableLength);
    }
  })();
  let ended = false;
  void written.then(() => (ended = true));
  while (!ended || stream.writableLength > 0) {
    read();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(most).toBeLessThanOrEqual(64);
  expect(text().trimEnd().split('\n')).toHaveLength(500);
});

test('all who print wait for one reader together, and for no reader that has gone', async () => {
  const { stream } = slowReader();
  stream.write('x'.repeat(100));
  const waits = Array.from({ length: 50 }, () => taking(stream));
  expect(new Set(waits).size).toBe(1);
  expect(stream.listenerCount('drain')).toBe(1);
  stream.destroy();
  await Promise.all(waits);
  await taking(stream);
});
