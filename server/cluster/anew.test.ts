import { describe, expect, test } from '@jest/globals';
import type { Condition, Node } from '../../api-schemas/index.ts';
import { unseen } from './anew.ts';

const before = '2030-01-01T00:00:00Z';
const now = '2030-01-02T00:00:00Z';
const condition = (type: string, status: Condition['status']): Condition => ({
  ...{ type, status, reason: type, message: '', lastTransitionTime: before },
});
const node = (...conditions: readonly Condition[]): Node => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Node',
  metadata: { name: 'n1' },
  spec: {},
  status: { hostname: 'n1', conditions },
});

describe('a node of a store that was begun anew', () => {
  test('does not count as Ready any more; what else is said of it stays', () => {
    const changed = unseen(node(condition('Ready', 'True'), condition('Lost', 'False')), now);
    expect(changed?.status?.hostname).toBe('n1');
    expect(changed?.status?.conditions).toEqual([
      expect.objectContaining({
        type: 'Ready',
        status: 'Unknown',
        reason: 'HeartbeatLost',
        lastTransitionTime: now,
      }),
      condition('Lost', 'False'),
    ]);
  });

  test('is left as it is when it was not Ready, or has said nothing yet', () => {
    expect(unseen(node(condition('Ready', 'False')), now)).toBeUndefined();
    expect(unseen(node(), now)).toBeUndefined();
  });
});
