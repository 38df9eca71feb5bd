import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import type { Pki } from './pki.ts';
import { keepPki, type PkiKeeper } from './renew.ts';

const dayMs = 86_400_000;

/** Enough of a Pki for its keeper. */
function pkiUntil(renewAt: number): Pki {
  const leaf = { cert: '', key: '', certFile: '', keyFile: '', notAfter: renewAt + 120 * dayMs };
  return {
    ca: leaf,
    trust: '',
    trustFile: '',
    server: leaf,
    admin: leaf,
    node: leaf,
    etcd: leaf,
    etcdClient: leaf,
    renewAt,
  };
}

/** All that was begun and needs no timer has ended. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('keeping the certificates current', () => {
  test('they are renewed at their time, every time, and never before', async () => {
    const clock = new FakeClock();
    const lives = 240 * dayMs;
    const renewals: number[] = [];
    const start = clock.now();
    const keeper: PkiKeeper = keepPki(pkiUntil(start + lives), {
      ensure: () => Promise.resolve(pkiUntil(clock.now() + lives)),
      onRenewed: (pki) => void renewals.push(pki.renewAt - lives),
      clock,
      logger: silentLogger,
    });
    clock.advance(lives - 1);
    await settled();
    expect(renewals).toEqual([]);
    clock.advance(1);
    await settled();
    expect(renewals).toEqual([start + lives]);
    expect(keeper.current.renewAt).toBe(start + 2 * lives);
    clock.advance(lives);
    await settled();
    expect(renewals).toEqual([start + lives, start + 2 * lives]);
    keeper.close();
    clock.advance(2 * lives);
    await settled();
    expect(renewals).toHaveLength(2);
  });

  test('a renewal that failed, or whose certificates could not be used, is tried again', async () => {
    const clock = new FakeClock();
    const failures = [new Error('no space left on device'), undefined];
    let used = 0;
    const keeper = keepPki(pkiUntil(clock.now() + dayMs), {
      ensure: () => {
        const failure = failures.shift();
        return failure === undefined
          ? Promise.resolve(pkiUntil(clock.now() + dayMs))
          : Promise.reject(failure);
      },
      onRenewed: () => {
        used++;
        if (used === 1) throw new Error('the server would not take it');
      },
      clock,
      logger: silentLogger,
    });
    const first = keeper.current;
    clock.advance(dayMs);
    await settled();
    expect({ used, same: keeper.current === first }).toEqual({ used: 0, same: true });
    clock.advance(3_600_000);
    await settled();
    expect({ used, same: keeper.current === first }).toEqual({ used: 1, same: true });
    clock.advance(3_600_000);
    await settled();
    expect({ used, same: keeper.current === first }).toEqual({ used: 2, same: false });
    keeper.close();
  });
});
