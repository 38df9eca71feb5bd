/** For tests only: objects that default everything a test is not about. */
import type {
  Condition,
  Node,
  NodeSpec,
  NodeStatus,
  Obj,
  Revision,
  RevisionSpec,
  Service,
  ServiceSpec,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '../../api-schemas/index.ts';
import { annotation, apiVersion, label, ownerReference } from './names.ts';
import { policyOf } from './policy.ts';

export const testNow = '2030-01-01T00:00:00.000Z';
export const testNowMs = Date.parse(testNow);
const namespace = 'default';

export const aService = (
  spec: Partial<ServiceSpec> = {},
  metadata: Partial<Obj['metadata']> = {},
): Service => ({
  apiVersion,
  kind: 'Service',
  metadata: { name: 'web', namespace, uid: `uid-${metadata.name ?? 'web'}`, generation: 1, ...metadata },
  spec: { image: 'web:1', ...spec },
});

/** A revision of the service; without `template`, the one that its spec asks for. */
export function aRevision(
  service: Service,
  spec: Partial<RevisionSpec> & { readonly name?: string } = {},
): Revision {
  const policy = policyOf(service);
  const { name = policy.revision, ...rest } = spec;
  return {
    apiVersion,
    kind: 'Revision',
    metadata: { name, namespace, uid: `uid-${name}`, ownerReferences: [ownerReference(service)] },
    spec: {
      service: service.metadata.name,
      number: 1,
      template: policy.template,
      replicas: policy.replicas,
      ...(policy.hostPorts.length === 0 ? {} : { hostPorts: policy.hostPorts }),
      ...rest,
    },
  };
}

export interface TaskWish extends Partial<TaskSpec> {
  readonly state?: TaskState;
  readonly run?: number;
  readonly name?: string;
  readonly status?: Partial<TaskStatus>;
  readonly deleting?: boolean;
}

export function aTask(service: Service, wish: TaskWish = {}): Task {
  const { state = 'Running', run = 1, status, deleting = false, ...spec } = wish;
  const isGlobal = policyOf(service).mode === 'global';
  const { name = `web-${isGlobal ? (spec.nodeName ?? '') : (spec.slot ?? 1)}-${run}`, ...rest } = spec;
  return {
    apiVersion,
    kind: 'Task',
    metadata: {
      name,
      namespace,
      uid: `uid-${name}`,
      resourceVersion: '1',
      annotations: { [annotation.run]: String(run) },
      labels: { [label.service]: service.metadata.name },
      ownerReferences: [ownerReference(service)],
      ...(deleting ? { deletionTimestamp: testNow, finalizers: ['orc.dev/container'] } : {}),
    },
    spec: {
      service: service.metadata.name,
      revision: policyOf(service).revision,
      desiredState: 'Running',
      ...(isGlobal ? {} : { slot: 1 }),
      ...rest,
    },
    status: { state, since: testNow, ...status },
  };
}

export const aCondition = (
  type: string,
  status: Condition['status'] = 'True',
  more: Partial<Condition> = {},
): Condition => ({ type, status, reason: type, message: '', lastTransitionTime: testNow, ...more });

export interface NodeWish {
  readonly labels?: Readonly<Record<string, string>>;
  readonly availability?: NodeSpec['availability'];
  readonly taints?: NodeSpec['taints'];
  readonly ready?: boolean;
  readonly lost?: boolean;
  readonly status?: NodeStatus;
}

export const aNode = (name: string, wish: NodeWish = {}): Node => ({
  apiVersion,
  kind: 'Node',
  metadata: { name, uid: `uid-${name}`, ...(wish.labels === undefined ? {} : { labels: wish.labels }) },
  spec: {
    ...(wish.availability === undefined ? {} : { availability: wish.availability }),
    ...(wish.taints === undefined ? {} : { taints: wish.taints }),
  },
  status: {
    hostname: name,
    role: 'worker',
    platform: { os: 'linux', arch: 'amd64' },
    capacity: { cpus: 4, memoryBytes: 8 * 1024 ** 3 },
    engine: { runtime: 'simulated', version: '1', apiVersion: '1.44', reachable: true },
    session: { server: 'a', id: 's', since: testNow },
    conditions: [
      aCondition('Ready', wish.ready === false || wish.lost === true ? 'False' : 'True'),
      aCondition('Lost', wish.lost === true ? 'True' : 'False'),
    ],
    ...wish.status,
  },
});

export const nodeMap = (...nodes: readonly Node[]): ReadonlyMap<string, Node> =>
  new Map(nodes.map((node) => [node.metadata.name, node]));
