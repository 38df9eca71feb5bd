import { describe, expect, test } from '@jest/globals';
import { parseTaint, withChanges } from './taint.ts';

describe('taints on the command line', () => {
  test('are read as kubectl reads them', () => {
    expect(parseTaint('gpu=yes:NoSchedule')).toEqual({
      set: { key: 'gpu', value: 'yes', effect: 'NoSchedule' },
    });
    expect(parseTaint('a.b/c:NoExecute')).toEqual({ set: { key: 'a.b/c', effect: 'NoExecute' } });
    expect(parseTaint('gpu-')).toEqual({ remove: { key: 'gpu' } });
    expect(parseTaint('gpu:NoExecute-')).toEqual({ remove: { key: 'gpu', effect: 'NoExecute' } });
  });

  test.each(['gpu', 'gpu=yes', 'gpu=yes:Never', ':NoSchedule', 'gpu=yes:NoSchedule-', ''])(
    '%j is refused',
    (word) => {
      expect(() => parseTaint(word)).toThrow('is no taint');
    },
  );

  test('set, change and remove by key and effect', () => {
    const changed = withChanges(
      [
        { key: 'gpu', effect: 'NoSchedule' },
        { key: 'gpu', effect: 'NoExecute' },
        { key: 'disk', effect: 'NoSchedule' },
      ],
      ['gpu=yes:NoSchedule', 'gpu:NoExecute-', 'disk-', 'new:PreferNoSchedule'].map(parseTaint),
    );
    expect(changed).toEqual([
      { key: 'gpu', value: 'yes', effect: 'NoSchedule' },
      { key: 'new', effect: 'PreferNoSchedule' },
    ]);
  });
});
