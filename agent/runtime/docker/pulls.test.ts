import { describe, expect, test } from '@jest/globals';
import { Pulls, type Begin } from './pulls.ts';

/** Pulls that end when the test says so, and not before, also when they are told to. */
function slow(): { readonly begin: Begin; readonly begun: { signal: AbortSignal; end: () => void }[] } {
  const begun: { signal: AbortSignal; end: () => void }[] = [];
  const begin: Begin = (say, signal) => {
    say('Pulling');
    return new Promise((end) => begun.push({ signal, end }));
  };
  return { begin, begun };
}

const never = new AbortController().signal;
const ignore = (): void => undefined;

describe('pulls of one image', () => {
  test('are one, which is told to everybody and ends for everybody', async () => {
    const { begin, begun } = slow();
    const pulls = new Pulls();
    const said: string[] = [];
    const both = [1, 2].map(() => pulls.join('web', begin, never, (message) => said.push(message)));
    expect(begun).toHaveLength(1);
    begun[0]?.end();
    await Promise.all(both);
    expect(said).toEqual(['Pulling', 'Pulling']);
  });

  test('go on when one of two leaves, and are given up when the last one does', async () => {
    const { begin, begun } = slow();
    const pulls = new Pulls();
    const [one, two] = [new AbortController(), new AbortController()];
    const first = pulls.join('web', begin, one.signal, () => ignore());
    const second = pulls.join('web', begin, two.signal, () => ignore());
    one.abort();
    await expect(first).rejects.toThrow('aborted');
    expect(begun[0]?.signal.aborted).toBe(false);
    two.abort();
    await expect(second).rejects.toThrow('aborted');
    expect(begun[0]?.signal.aborted).toBe(true);
  });

  test('are begun anew while one that was given up has not ended yet', async () => {
    const { begin, begun } = slow();
    const pulls = new Pulls();
    const one = new AbortController();
    const first = pulls.join('web', begin, one.signal, ignore);
    one.abort();
    await expect(first).rejects.toThrow('aborted');
    const second = pulls.join('web', begin, never, ignore);
    expect(begun).toHaveLength(2);
    // The end of the old one is not taken for the new one's.
    begun[0]?.end();
    await Promise.resolve();
    const third = pulls.join('web', begin, never, () => ignore());
    expect(begun).toHaveLength(2);
    begun[1]?.end();
    await Promise.all([second, third]);
  });
});
