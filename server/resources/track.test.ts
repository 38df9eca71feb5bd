import { describe, expect, test } from '@jest/globals';
import type { Node, Obj, Task } from '../../api-schemas/index.ts';
import { FakeClock } from '../../kit/clock.ts';
import { createTracker } from './track.ts';

const clock = new FakeClock();
const track = createTracker(clock);

const node: Node = {
  apiVersion: 'orc.dev/v1',
  kind: 'Node',
  metadata: { name: 'n1', labels: { disk: 'ssd' } },
  spec: {},
  status: { platform: { os: 'linux', arch: 'amd64' } },
};

/** Who has what, as `manager operation subresource: fields`. */
const owners = ({ metadata }: Obj): readonly string[] =>
  (metadata.managedFields ?? []).map(
    ({ manager, operation, subresource, fieldsV1 }) =>
      `${manager} ${operation} ${subresource ?? '-'}: ${JSON.stringify(fieldsV1)}`,
  );

describe('field managers of what is written past the API', () => {
  test('the object and its status are tracked apart', () => {
    expect(owners(track(undefined, node, 'orc-gateway'))).toEqual([
      'orc-gateway Update -: {"f:metadata":{"f:labels":{".":{},"f:disk":{}}},"f:spec":{}}',
      'orc-gateway Update status: {"f:status":{".":{},"f:platform":{".":{},"f:arch":{},"f:os":{}}}}',
    ]);
  });

  test('what another writes becomes its own, and what it takes away is nobody’s', () => {
    const first = track(undefined, node, 'orc-gateway');
    const conditions = [
      { type: 'Ready', status: 'True', reason: 'Heartbeat', message: '', lastTransitionTime: 't' },
    ] as const;
    const second = track(first, { ...first, status: { ...node.status, conditions } }, 'orc-nodes');
    expect(owners(second).find((line) => line.startsWith('orc-nodes'))).toContain('f:conditions');
    expect(owners(second).filter((line) => line.includes('Update -'))).toEqual(
      owners(first).filter((line) => line.includes('Update -')),
    );
    const { labels: _labels, ...metadata } = second.metadata;
    const third = track(second, { ...second, metadata }, 'orc-nodes');
    expect(owners(third).some((line) => line.includes('f:disk'))).toBe(false);
  });

  test('fields that are undefined are not there', () => {
    const bare = { ...node, metadata: { ...node.metadata, annotations: undefined } } as unknown as Node;
    expect(owners(track(undefined, bare, 'x'))).toEqual(owners(track(undefined, node, 'x')));
  });

  test('what only controllers write is left as it is', () => {
    const task: Task = {
      apiVersion: 'orc.dev/v1',
      kind: 'Task',
      metadata: { name: 't', namespace: 'default' },
      spec: { service: 's', revision: 'r', desiredState: 'Running' },
    };
    expect(track(undefined, task, 'orc-replicas')).toBe(task);
  });
});
