/** For tests: objects as a cluster would hold them. */
import type {
  Condition,
  Event,
  Node,
  Service,
  ServiceSpec,
  Stack,
  Task,
  TaskStatus,
} from '../api-schemas/index.ts';

export const now = Date.parse('2030-01-01T01:00:00Z');
const created = '2030-01-01T00:00:00Z';

export const condition = (
  type: string,
  status: Condition['status'],
  reason = 'Because',
  message = '',
): Condition => ({
  type,
  status,
  reason,
  message,
  lastTransitionTime: '2030-01-01T00:55:00Z',
  observedGeneration: 1,
});

const meta = (name: string, owner?: { kind: string; name: string }) => ({
  name,
  namespace: 'default',
  uid: `uid-${name}`,
  generation: 1,
  resourceVersion: '7',
  creationTimestamp: created,
  ...(owner === undefined
    ? {}
    : {
        ownerReferences: [{ apiVersion: 'orc.dev/v1', ...owner, uid: `uid-${owner.name}`, controller: true }],
      }),
});

export function service(
  name: string,
  spec: Partial<ServiceSpec> = {},
  status: Service['status'] = {},
  stack?: string,
): Service {
  return {
    apiVersion: 'orc.dev/v1',
    kind: 'Service',
    metadata: meta(name, stack === undefined ? undefined : { kind: 'Stack', name: stack }),
    spec: { image: 'web:1', ...spec },
    status: { observedGeneration: 1, ...status },
  };
}

export function task(
  owner: string,
  slot: number,
  status: TaskStatus,
  more: Partial<Task['spec']> = {},
): Task {
  return {
    apiVersion: 'orc.dev/v1',
    kind: 'Task',
    metadata: meta(`${owner}-${String(slot)}-${String(more.restarts ?? 0)}abc`, {
      kind: 'Service',
      name: owner,
    }),
    spec: {
      service: owner,
      revision: `${owner}-1`,
      slot,
      nodeName: 'node-a',
      desiredState: 'Running',
      ...more,
    },
    status,
  };
}

export const stack = (
  name: string,
  services: Stack['spec']['services'],
  status: Stack['status'] = {},
): Stack => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Stack',
  metadata: meta(name),
  spec: { services },
  status: { observedGeneration: 1, ...status },
});

export const node = (name: string, spec: Node['spec'] = {}, conditions: readonly Condition[] = []): Node => {
  const { namespace: _, ...metadata } = meta(name);
  return { apiVersion: 'orc.dev/v1', kind: 'Node', metadata, spec, status: { role: 'manager', conditions } };
};

export const event = (about: string, reason: string, message: string, more: Partial<Event> = {}): Event => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: meta(`${about}.${reason}`),
  involvedObject: { kind: 'Service', name: about, uid: `uid-${about}`, namespace: 'default' },
  reason,
  message,
  type: 'Normal',
  count: 1,
  firstTimestamp: created,
  lastTimestamp: created,
  source: { component: 'replicas' },
  ...more,
});
