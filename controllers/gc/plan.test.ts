import { describe, expect, test } from '@jest/globals';
import type { Obj } from '../../api-schemas/index.ts';
import { aRevision, aService, aTask, testNow } from '../runtime/testing.ts';
import { plan, planNamespace, type Step } from './plan.ts';

const service = aService();
const deleted = (...finalizers: readonly string[]): Obj => ({
  ...service,
  metadata: { ...service.metadata, deletionTimestamp: testNow, finalizers },
});
const task = aTask(service, { nodeName: 'n1' });
const revision = aRevision(service);
const say = (step: Step): string =>
  `${step.kind} ${step.object.kind}${step.kind === 'Delete' ? ` ${step.propagation}` : ''}`;
const act = (owner: Obj | undefined, dependents: readonly Obj[], hasOtherOwner = false): readonly string[] =>
  plan({ owner, ownerUID: 'uid-web', dependents, hasOtherOwner: () => hasOtherOwner }).map(say);

describe('garbage collection', () => {
  test('leaves what a living owner has alone', () => {
    expect(act(service, [task, revision])).toEqual([]);
    expect(act(deleted('other'), [task])).toEqual([]);
  });

  test('takes tasks first and their revision last', () => {
    expect(act(undefined, [revision, task])).toEqual(['Delete Task Background']);
    expect(act(undefined, [revision])).toEqual(['Delete Revision Background']);
    expect(act(undefined, [])).toEqual([]);
  });

  test('holds an owner that is deleted in the foreground until all is gone', () => {
    const stopping = aTask(service, { nodeName: 'n1', deleting: true });
    expect(act(deleted('foregroundDeletion'), [task, revision])).toEqual(['Delete Task Foreground']);
    expect(act(deleted('foregroundDeletion'), [stopping, revision])).toEqual([]);
    expect(act(deleted('foregroundDeletion'), [])).toEqual(['TakeFinalizer Service']);
  });

  test('lets orphans go before their owner', () => {
    expect(act(deleted('orphan'), [task])).toEqual(['Release Task']);
    expect(act(deleted('orphan'), [])).toEqual(['TakeFinalizer Service']);
  });

  test('keeps what has another owner', () => {
    expect(act(undefined, [task], true)).toEqual(['Release Task']);
  });

  test('empties a namespace one kind after the other, then lets it go', () => {
    const namespace: Obj = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'x', deletionTimestamp: testNow, finalizers: ['orc.dev/namespace'] },
    };
    const event: Obj = { apiVersion: 'v1', kind: 'Event', metadata: { name: 'e', namespace: 'x' } };
    expect(planNamespace(namespace, [task, service, event]).map(say)).toEqual(['Delete Service Foreground']);
    expect(planNamespace(namespace, [deleted('foregroundDeletion'), task]).map(say)).toEqual([]);
    expect(planNamespace(namespace, [event]).map(say)).toEqual([
      'Delete Event Background',
      'TakeFinalizer Namespace',
    ]);
  });
});
