import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { keepUp, type KeepUp } from './ca-keep-up.ts';

/** All that was begun has gone on as far as it can without time. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the context, while a rotation is followed', () => {
  let clock: FakeClock;
  let stage: number;
  let whom: readonly string[];
  let asked: string[];
  let answer: (endpoints: readonly string[]) => void;
  let keeper: KeepUp;
  beforeEach(() => {
    clock = new FakeClock();
    [stage, whom, asked] = [0, [], []];
    answer = () => undefined;
    keeper = keepUp({
      clock,
      whom: () => whom,
      stage: () => stage,
      renew: (endpoints) => {
        asked.push(endpoints.join());
        answer(endpoints);
        return Promise.resolve();
      },
      reopen: () => Promise.resolve(),
      onTried: () => undefined,
    });
  });
  const passes = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds * 4; i++) {
      clock.advance(250);
      await settled();
    }
  };

  test('is renewed at once by who is ahead, and again at once while that brings it further', async () => {
    keeper.look();
    await settled();
    expect(asked).toEqual([]);
    whom = ['n1'];
    answer = () => {
      stage += 1;
      if (stage === 3) whom = [];
    };
    keeper.look();
    await passes(1);
    expect([asked, keeper.isBehind(), keeper.trouble()]).toEqual([
      ['n1', 'n1', 'n1'],
      false,
      { failures: 0 },
    ]);
  });

  test('is not renewed in a loop by who answers and brings it no further, whatever happens meanwhile', async () => {
    whom = ['n1'];
    for (let second = 0; second < 60; second++) {
      // The Cluster object changes, connections end.
      keeper.look();
      keeper.reopen();
      await passes(1);
    }
    // At once, and 1, 3, 7, 15, 31 seconds later.
    expect(asked).toHaveLength(6);
    expect(keeper.trouble()).toEqual({ failures: 6 });
  });

  test('is renewed at once by another one that comes to be ahead, and says why it could not be', async () => {
    whom = ['n1'];
    answer = ([first]) => {
      if (first === 'n1') throw new Error('n1 is away');
      stage = 1;
      whom = [];
    };
    keeper.look();
    await passes(10);
    expect(keeper.trouble()).toEqual({ failures: 4, error: new Error('n1 is away') });
    whom = ['n2', 'n1'];
    keeper.look();
    await settled();
    expect([asked.at(-1), keeper.trouble()]).toEqual(['n2,n1', { failures: 0 }]);
    keeper.close();
    whom = ['n3'];
    keeper.look();
    await passes(60);
    expect(asked.at(-1)).toBe('n2,n1');
  });
});
