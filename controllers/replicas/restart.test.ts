import { describe, expect, test } from '@jest/globals';
import type { Task } from '../../api-schemas/index.ts';
import { policyOf } from '../runtime/policy.ts';
import { aRevision, aService, aTask, testNow } from '../runtime/testing.ts';
import { afterEnd } from './restart.ts';
import { newTask } from './task.ts';

const service = aService({ restart: { maxAttempts: 2 } });
const ended = (reason: string, restarts: number, state: 'Failed' | 'Complete' = 'Failed'): Task =>
  aTask(service, { state, restarts, status: { reason, finishedAt: testNow } });

describe('after a task has ended', () => {
  test('the first restart is at once, further ones wait, and the attempts run out', () => {
    expect(afterEnd(ended('NonZeroExit', 0), policyOf(service))).toMatchObject({ restarts: 1, delayMs: 0 });
    expect(afterEnd(ended('NonZeroExit', 1), policyOf(service))).toMatchObject({
      restarts: 2,
      delayMs: 1000,
    });
    expect(afterEnd(ended('NonZeroExit', 2), policyOf(service))).toEqual({ kind: 'gaveUp', restarts: 2 });
  });

  test.each(['ContainerLost', 'StoppedOutside'])('%s is not counted against it', (reason) => {
    const verdict = { kind: 'restart', restarts: 2, delayMs: 0 };
    expect(afterEnd(ended(reason, 2), policyOf(service))).toEqual(verdict);
  });

  test('one that is done is not started again', () => {
    const once = policyOf(aService({ restart: { condition: 'on-failure' } }));
    expect(afterEnd(ended('', 0, 'Complete'), once)).toEqual({ kind: 'done' });
  });
});

test('a slot that is opened anew by another generation gets a task of another name', () => {
  const nameAt = (generation: number): string => {
    const at = aService({}, { generation });
    return newTask({
      service: at,
      revision: aRevision(at),
      slot: '1',
      isGlobal: false,
      previous: undefined,
      run: 1,
      restarts: 0,
      stopOnClientAfter: undefined,
      restartCondition: 'any',
      now: testNow,
    }).metadata.name;
  };
  expect(nameAt(1)).toBe(nameAt(1));
  expect(nameAt(2)).not.toBe(nameAt(1));
});
