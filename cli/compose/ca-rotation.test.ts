import { describe, expect, test } from '@jest/globals';
import type { ClusterCa, ManagerPki } from '../../api-schemas/index.ts';
import { stepOf, type CaStep } from './ca-rotation.ts';

const ca = (phase: ClusterCa['phase'], more: Partial<ClusterCa> = {}): ClusterCa => ({
  ...{ rotation: 1, phase, turn: 'a', from: 'old', to: 'new', startedAt: '', since: '' },
  ...{ waitingFor: [], skipped: [], ...more },
});
const old: ManagerPki = { issuer: 'old', trust: ['old'] };
const both = ['new', 'old'];
const trusting: ManagerPki = { issuer: 'old', trust: both, next: 'new' };
const issuing: ManagerPki = { issuer: 'new', trust: both };
const done: ManagerPki = { issuer: 'new', trust: ['new'] };

describe('what a manager does when the CA is replaced', () => {
  test('is nothing without a rotation, after it, and when another has the turn', () => {
    expect(stepOf(undefined, 'a', old)).toBeUndefined();
    expect(stepOf(ca('Done'), 'a', old)).toBeUndefined();
    const { turn: _, ...nodes } = ca('Trust');
    expect(stepOf(nodes, 'a', old)).toBeUndefined();
    expect(stepOf(ca('Trust'), 'b', old)).toBeUndefined();
  });

  test.each<[ClusterCa['phase'], ManagerPki, CaStep | undefined]>([
    ['Create', old, 'create'],
    ['Create', { ...old, next: 'new' }, undefined],
    ['Trust', old, 'trust'],
    ['Trust', { ...old, next: 'new' }, 'trust'],
    ['Trust', { ...trusting, next: 'stale' }, 'trust'],
    ['Trust', trusting, undefined],
    ['Issue', trusting, 'issue'],
    ['Issue', issuing, undefined],
    ['Drop', issuing, 'drop'],
    ['Drop', done, undefined],
    // Who has missed a phase begins with that.
    ['Issue', old, 'trust'],
    ['Drop', trusting, 'issue'],
    ['Drop', old, 'trust'],
  ])('in the phase %s with %j is %s', (phase, own, step) => {
    expect(stepOf(ca(phase), 'a', own)).toBe(step);
  });

  test('in the phase Create does not wait for a name of what it makes itself', () => {
    const { to: _, ...rest } = ca('Create');
    expect(stepOf(rest, 'a', old)).toBe('create');
    expect(stepOf({ ...rest, phase: 'Trust' }, 'a', old)).toBeUndefined();
  });
});
