import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { run } from '../run.ts';
import { testIo } from '../testing.ts';
import { patiently, type Patience } from './patience.ts';

const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) =>
    signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true }),
  );

function patience(signal = new AbortController().signal): Patience & {
  readonly clock: FakeClock;
  readonly heard: readonly number[];
} {
  const heard: number[] = [];
  return {
    clock: new FakeClock(),
    signal,
    heard,
    everyMs: 5000,
    limitMs: 18_000,
    onWait: (ms) => heard.push(ms),
    tooLong: (cause) => new Error('too long', { cause }),
  };
}

test('what waits is heard of, and ends at the limit with the cause', async () => {
  const given = patience();
  const waiting = patiently(untilAborted, given);
  given.clock.advance(18_000);
  await expect(waiting).rejects.toMatchObject({ message: 'too long', cause: { message: 'stopped' } });
  given.clock.advance(60_000);
  expect(given.heard).toEqual([5000, 10_000, 15_000]);
});

test('an interruption, a failure and a result are given on as they are', async () => {
  const stop = new AbortController();
  const interrupted = patiently(untilAborted, patience(stop.signal));
  stop.abort();
  await expect(interrupted).rejects.toThrow('stopped');
  await expect(patiently(() => Promise.reject(new Error('no')), patience())).rejects.toThrow('no');
  const given = patience();
  expect(await patiently(() => Promise.resolve(1), given)).toBe(1);
  given.clock.advance(60_000);
  expect(given.heard).toEqual([]);
});

test('an etcd that does not answer ends the start with the addresses, the reason and what to look at', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'orc-patience-'));
  const clock = new FakeClock();
  const io = testIo({ env: { ORC_CONFIG: join(dir, 'config') } });
  const args = ['--etcd-endpoints', 'http://127.0.0.1:1', '--listen', '127.0.0.1:0', '--data-dir', dir];
  let code: number | undefined | 'running' = 'running';
  const ended = run(['server', '--log-level=error', ...args], {
    io,
    clock,
    signal: new AbortController().signal,
  }).then((result) => (code = result));
  while (code === 'running') {
    clock.advance(1000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await ended;
  expect(code).toBe(1);
  expect(io.err()).toContain('waiting for etcd at http://127.0.0.1:1 (5s)');
  expect(io.err()).toMatch(/error: etcd at http:\/\/127\.0\.0\.1:1 could not be read within 60s: The store/);
  expect(io.err()).toContain('hint: ');
  rmSync(dir, { recursive: true, force: true });
});
