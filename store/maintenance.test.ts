import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../kit/clock.ts';
import { silentLogger } from '../kit/log.ts';
import { Maintenance } from './maintenance.ts';

const intervalMs = 15_000;

describe('looking after etcd', () => {
  const clock = new FakeClock();
  const cache = { revision: 0 };
  let compactions: { readonly atS: number; readonly revision: number }[];
  let maintenance: Maintenance;
  let startedMs: number;
  beforeEach(() => {
    compactions = [];
    cache.revision = 0;
    startedMs = clock.now();
    const call = (_service: string, method: string, request: object): Promise<unknown> => {
      const { revision } = request as { revision?: number };
      if (method === 'compact' && revision !== undefined)
        compactions.push({ atS: (clock.now() - startedMs) / 1000, revision });
      return Promise.resolve({ dbSize: '1', dbSizeInUse: '1', errors: [] });
    };
    maintenance = new Maintenance({
      connection: { call: call as never },
      cache,
      clock,
      logger: silentLogger,
      intervalMs,
    });
  });
  afterEach(() => maintenance.close());

  /** Writes 10 revisions a second for so long, and lets it look meanwhile. */
  async function pass(seconds: number): Promise<void> {
    for (let s = 0; s < seconds; s += intervalMs / 1000) {
      cache.revision += (10 * intervalMs) / 1000;
      clock.advance(intervalMs);
      await maintenance.check();
    }
  }

  test('what was written in the last five minutes is kept, and nothing of before for long', async () => {
    await pass(300);
    expect(compactions).toEqual([]);
    await pass(600);
    expect(compactions.length).toBeGreaterThan(30);
    for (const { atS, revision } of compactions) {
      const ageS = atS - revision / 10;
      expect(ageS).toBeGreaterThanOrEqual(300);
      expect(ageS).toBeLessThanOrEqual(300 + (2 * intervalMs) / 1000);
    }
    expect(compactions.at(-1)?.revision).toBeGreaterThanOrEqual(10 * (900 - 330));
  });

  test('is quiet about a store in which nothing is written', async () => {
    await pass(330);
    const before = compactions.length;
    for (let s = 0; s < 600; s += intervalMs / 1000) {
      clock.advance(intervalMs);
      await maintenance.check();
    }
    const last = compactions.slice(before).map(({ revision }) => revision);
    expect(new Set(last).size).toBe(last.length);
    expect(last.at(-1)).toBe(cache.revision);
  });
});
