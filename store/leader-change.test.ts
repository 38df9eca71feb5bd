import { describe, expect, test } from '@jest/globals';
import { LeaderChange, type LeaderState } from './leader-change.ts';

/** A write that is never answered. */
const unanswered = new Promise<never>(() => undefined);
const lost = (): Error => new Error('lost');

describe('a write that is not answered', () => {
  test('is given up when there is another leader than when it was sent', async () => {
    let state: LeaderState = { leader: '1', raftTerm: '4' };
    const leaders = new LeaderChange(() => Promise.resolve(state));
    expect(await leaders.orLost(Promise.resolve('written'), lost)).toBe('written');
    const waiting = leaders.orLost(unanswered, lost);
    state = { leader: '2', raftTerm: '5' };
    await expect(waiting).rejects.toThrow('lost');
  });

  test('is given up when there is no leader', async () => {
    const leaders = new LeaderChange(() => Promise.resolve({ leader: '0', raftTerm: '4' }));
    await expect(leaders.orLost(unanswered, lost)).rejects.toThrow('lost');
  });

  test('is waited for while its leader is there, or nobody can be asked', async () => {
    for (const ask of [
      () => Promise.resolve({ leader: '1', raftTerm: '4' }),
      () => Promise.reject(new Error('away')),
    ]) {
      let asked = 0;
      let answer = (_: string): void => undefined;
      const leaders = new LeaderChange(() => {
        if (++asked === 4) answer('late');
        return ask();
      });
      const slow = new Promise<string>((resolve) => (answer = resolve));
      expect(await leaders.orLost(slow, lost)).toBe('late');
    }
  });

  test('fails as it fails', async () => {
    const leaders = new LeaderChange(() => Promise.resolve({ leader: '1', raftTerm: '4' }));
    await expect(leaders.orLost(Promise.reject(new Error('refused')), lost)).rejects.toThrow('refused');
  });
});
