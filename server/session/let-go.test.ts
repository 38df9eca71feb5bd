import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { letGo } from './let-go.ts';

function sessions(count: number) {
  const clock = new FakeClock();
  const staying = new Set(Array.from({ length: count }, (_, i) => `n${String(i)}`));
  const asked: string[] = [];
  const going = letGo({ clock, staying: () => [...staying], ask: (node) => void asked.push(node) });
  let isDone = false;
  void going.done.then(() => (isDone = true));
  const leave = (node: string): void => {
    staying.delete(node);
    going.left();
  };
  return { clock, asked, leave, going, isDone: () => isDone };
}

describe('a server that stops', () => {
  test('asks some agents, and one more for each that has gone', async () => {
    const { asked, leave, going } = sessions(40);
    expect(asked).toHaveLength(32);
    leave('n0');
    leave('n1');
    expect(asked).toHaveLength(34);
    for (let i = 2; i < 40; i++) leave(`n${String(i)}`);
    expect(asked).toHaveLength(40);
    await going.done;
  });

  test('does not have all wait for those that cannot go, nor wait for ever', async () => {
    const { clock, asked, going, isDone } = sessions(70);
    clock.advance(500);
    expect(asked).toHaveLength(64);
    clock.advance(4_499);
    await Promise.resolve();
    expect(isDone()).toBe(false);
    clock.advance(1);
    await going.done;
    expect(new Set(asked).size).toBe(70);
  });

  test('without sessions waits for nobody', async () => {
    await sessions(0).going.done;
  });
});
