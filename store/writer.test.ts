import { afterEach, describe, expect, test } from '@jest/globals';
import { FakeClock, systemClock } from '../kit/clock.ts';
import type { ApiError } from '../kit/errors.ts';
import { silentLogger } from '../kit/log.ts';
import { Connection } from './connection.ts';
import { startTestEtcd, type TestEtcd } from './testing.ts';
import type { WriteOp } from './types.ts';
import { Writer, type WriterOptions } from './writer.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function setup(
  more: Partial<WriterOptions> = {},
  args: readonly string[] = [],
): Promise<{ etcd: TestEtcd; connection: Connection; writer: Writer }> {
  const etcd = await startTestEtcd({ args });
  ends.push(() => etcd.stop());
  const connection = new Connection(etcd);
  ends.push(() => connection.close());
  const writer = new Writer({ connection, clock: systemClock, logger: silentLogger, ...more });
  ends.push(() => writer.close());
  return { etcd, connection, writer };
}

const put = (key: string, value: string, expect = 0): WriteOp => ({
  key: `/orc/registry/${key}`,
  value,
  expect,
});

describe('the group-commit writer', () => {
  test('lets each op of one batch win or lose alone', async () => {
    const { writer, connection } = await setup();
    const first = await writer.submit(put('a', 'one'));
    const before = writer.counters.batches;
    const results = await Promise.all([
      writer.submit(put('a', 'two')),
      writer.submit(put('b', 'one')),
      writer.submit(put('c', 'one', 5)),
      writer.submit({ key: '/orc/registry/d', expect: 0, value: Buffer.from('one') }),
    ]);
    expect(writer.counters.batches).toBe(before + 1);
    expect(results.map((r) => r.committed)).toEqual([false, true, false, true]);
    expect(results[0]).toMatchObject({
      why: 'conflict',
      current: { value: Buffer.from('one'), modRevision: first.revision },
    });
    expect(results[2]).not.toHaveProperty('current');
    expect(results[1]?.revision).toBe(first.revision + 1);
    const { kvs } = await connection.range({ key: '/orc/registry/', end: '/orc/registry0' });
    expect(kvs.map((kv) => kv.key.at(-1))).toEqual(['a', 'b', 'd']);
    const gone = await writer.submit({ key: '/orc/registry/a', expect: first.revision });
    expect(gone.committed).toBe(true);
  });

  test('never puts one key twice into a batch, and keeps the order of its writes', async () => {
    const { writer, connection } = await setup();
    const results = await Promise.all([
      writer.submit(put('k', '1')),
      writer.submit(put('k', '2')),
      writer.submit(put('other', '1')),
      writer.submit(put('k', '3')),
    ]);
    expect(results.map((r) => r.committed)).toEqual([true, false, true, false]);
    expect((await connection.range({ key: '/orc/registry/k' })).kvs[0]?.value.toString()).toBe('1');
  });

  test('refuses a write whose fence is gone or was made anew', async () => {
    const { writer } = await setup();
    const leader = await writer.submit(put('leader', 'me'));
    const fence = { key: '/orc/registry/leader', createRevision: leader.revision };
    const made = await writer.submit({ ...put('x', '1'), fence });
    expect(made.committed).toBe(true);
    expect(await writer.submit({ ...put('x', '2'), fence })).toMatchObject({ why: 'conflict' });
    await writer.submit({ key: fence.key, expect: leader.revision });
    expect(await writer.submit({ ...put('x', '2', made.revision), fence })).toMatchObject({ why: 'fenced' });
    await writer.submit(put('leader', 'you'));
    expect(await writer.submit({ ...put('x', '2', made.revision), fence })).toMatchObject({ why: 'fenced' });
  });

  test('groups less when etcd takes only its default of 128 operations', async () => {
    const { writer } = await setup({}, ['--max-txn-ops=128']);
    const write = (round: string) =>
      Promise.all(Array.from({ length: 1000 }, (_, i) => writer.submit(put(`${round}-${i}`, 'v'))));
    expect((await write('a')).every((r) => r.committed)).toBe(true);
    expect((await write('b')).every((r) => r.committed)).toBe(true);
    expect(writer.counters.largestBatch).toBe(126);
  });

  test('keeps requests below what etcd takes, and refuses a single write that is too large', async () => {
    const { writer } = await setup();
    const big = 'x'.repeat(400_000);
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, i) => writer.submit(put(`big-${i}`, big))),
    );
    expect(results.every((r) => r.committed)).toBe(true);
    await expect(writer.submit(put('huge', 'x'.repeat(1_600_000)))).rejects.toMatchObject({ code: 413 });
  });

  test('fails only the write whose lease is gone', async () => {
    const { writer } = await setup();
    const results = await Promise.allSettled([
      writer.submit(put('a', '1')),
      writer.submit({ ...put('b', '1'), lease: '12345' }),
      writer.submit(put('c', '1')),
    ]);
    expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(String((results[1] as PromiseRejectedResult).reason)).toMatch(/lease not found/);
  });

  test('says that nothing was written while etcd is away', async () => {
    const { writer, etcd } = await setup({ timeoutMs: 1500 });
    await writer.submit(put('a', '1'));
    await etcd.kill();
    await writer.submit(put('b', '1')).catch(() => undefined); // may have met the dying connection
    await expect(writer.submit(put('c', '1'))).rejects.toMatchObject({
      code: 503,
      reason: 'StoreUnavailable',
    });
    await etcd.start();
    expect((await writer.submit(put('c', '1'))).committed).toBe(true);
  });
});

describe('what waits while etcd is away', () => {
  const away: WriterOptions['connection'] = {
    range: () => Promise.reject(new Error('not asked')),
    txn: () => Promise.reject(Object.assign(new Error('14'), { code: 14, details: 'ECONNREFUSED' })),
  };
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  test('fails in its time, in the queue and behind a busy key', async () => {
    const clock = new FakeClock();
    const writer = new Writer({ connection: away, clock, logger: silentLogger, maxInFlight: 1, maxOps: 1 });
    const began = clock.now();
    /** By name, after how long it ended, and how. */
    const ended = new Map<string, { readonly ms: number; readonly how: string }>();
    const submit = (name: string, key: string): void => {
      const since = clock.now();
      const end = (how: string): unknown => ended.set(name, { ms: clock.now() - since, how });
      writer.submit(put(key, name)).then(
        () => end('written'),
        (error: ApiError) => end(error.reason),
      );
    };
    const pass = async (untilMs: number): Promise<void> => {
      for (; clock.now() - began < untilMs; clock.advance(100)) await turn();
      await turn();
    };
    submit('in flight', 'k');
    submit('queued', 'other');
    submit('behind', 'k');
    await pass(6000);
    submit('later, behind', 'k');
    submit('later, queued', 'another');
    expect(ended.size).toBe(0);
    // It is sent at 10 s, in the place of the first: that does not begin its time anew.
    await pass(17_000);
    expect([...ended.keys()].sort()).toEqual([
      'behind',
      'in flight',
      'later, behind',
      'later, queued',
      'queued',
    ]);
    for (const { ms, how } of ended.values()) {
      expect(how).toBe('StoreUnavailable');
      expect(ms).toBeLessThanOrEqual(10_600);
    }
    expect(writer.counters).toMatchObject({ failed: 5, queued: 0, inFlight: 0 });
  });
});

/** A connection that loses answers: the transaction is applied, but the caller does not hear of it. */
function lossy(connection: Connection, meanwhile: () => Promise<unknown>): WriterOptions['connection'] {
  let lost = false;
  return {
    range: (request) => connection.range(request),
    txn: async (batch, timeoutMs) => {
      const answer = await connection.txn(batch, timeoutMs);
      if (lost) return answer;
      lost = true;
      await meanwhile();
      throw Object.assign(new Error('14'), { code: 14, details: 'Connection dropped' });
    },
  };
}

describe('a write whose answer is lost', () => {
  const cases: readonly (readonly [string, (other: Writer, revision: number) => Promise<unknown>])[] = [
    ['nothing else happened', () => Promise.resolve()],
    [
      'another writer has changed the key since',
      (other, revision) => other.submit(put('key', 'theirs', revision)),
    ],
  ];
  test.each(cases)('is reported as committed when %s', async (_, happens) => {
    const { connection, writer: other } = await setup();
    const writer = new Writer({
      connection: lossy(connection, async () => {
        const [kv] = (await connection.range({ key: '/orc/registry/key' })).kvs;
        await happens(other, kv?.modRevision ?? 0);
      }),
      clock: systemClock,
      logger: silentLogger,
    });
    const result = await writer.submit(put('key', 'mine'));
    expect(result.committed).toBe(true);
    const { kvs } = await connection.range({ key: '/orc/registry/key', revision: result.revision });
    expect(kvs[0]?.value.toString()).toBe('mine');
    expect(writer.counters.resent).toBe(1);
  });

  test('is reported as a conflict when it had lost anyway', async () => {
    const { connection, writer: other } = await setup();
    await other.submit(put('key', 'theirs'));
    const writer = new Writer({
      connection: lossy(connection, () => Promise.resolve()),
      clock: systemClock,
      logger: silentLogger,
    });
    expect(await writer.submit(put('key', 'mine'))).toMatchObject({ committed: false, why: 'conflict' });
    const deleted = await writer.submit({ key: '/orc/registry/none', expect: 7 });
    expect(deleted).toMatchObject({ committed: false });
  });
});
