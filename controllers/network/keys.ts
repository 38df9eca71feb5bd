/** Which networks and services a change may concern. */
import {
  defaultNetwork,
  networksOf,
  type Cluster,
  type Network,
  type Node,
  type Service,
  type Task,
} from '../../api-schemas/index.ts';
import type { Cache, Change } from '../../store/types.ts';
import { isDeleting, joinKey, keyOf } from '../runtime/names.ts';
import { specChanged } from '../runtime/keys.ts';
import { isOnNode } from './plan.ts';

/** Keys of this room: `network/<namespace>/<name>` and `service/<namespace>/<name>`. */
export const networkKey = (key: string): string => `network/${key}`;
export const serviceKey = (key: string): string => `service/${key}`;

export function* keysOf(change: Change, cache: Cache): Iterable<string> {
  const { object, previous, type } = change;
  switch (object.kind) {
    case 'Network':
      yield networkKey(keyOf(object));
      if (type === 'DELETED') yield* waiting(cache);
      if (givesOtherThan(previous as Network | undefined, object as Network))
        yield* servicesOn(object, cache);
      return;
    case 'Service':
      if (!specChanged(change)) return;
      yield serviceKey(keyOf(object));
      yield* networksOfService(object as Service);
      if (previous !== undefined) yield* networksOfService(previous as Service);
      return;
    case 'Task':
      if (loadOf(type === 'DELETED' ? undefined : (object as Task)) === loadOf(previous as Task | undefined))
        return;
      for (const name of (object as Task).spec.networks ?? [])
        yield networkKey(joinKey(object.metadata.namespace ?? '', name));
      return;
    case 'Node':
      if (type === 'MODIFIED' && limits(object as Node) === limits(previous as Node | undefined)) return;
      for (const network of cache.list('Network')) yield networkKey(keyOf(network));
      return;
    case 'Cluster':
      if (pools(object as Cluster) !== pools(previous as Cluster | undefined)) yield* waiting(cache);
      if (epoch(object as Cluster) !== epoch(previous as Cluster | undefined)) yield* encrypted(cache);
  }
}

/** Networks that have no range yet. */
function* waiting(cache: Cache): Iterable<string> {
  for (const network of cache.list('Network'))
    if (network.status?.subnet === undefined) yield networkKey(keyOf(network));
}

function* encrypted(cache: Cache): Iterable<string> {
  for (const network of cache.list('Network'))
    if (network.spec.encrypted === true) yield networkKey(keyOf(network));
}

function* servicesOn(network: { readonly metadata: Network['metadata'] }, cache: Cache): Iterable<string> {
  const { namespace = '', name } = network.metadata;
  for (const service of cache.by('Service', 'network', joinKey(namespace, name)))
    yield serviceKey(keyOf(service));
}

function* networksOfService({ metadata, spec }: Service): Iterable<string> {
  for (const { name } of networksOf(spec)) yield networkKey(joinKey(metadata.namespace ?? '', name));
}

/** Whether what services wait for may have come, or gone. */
const givesOtherThan = (before: Network | undefined, after: Network): boolean =>
  before === undefined || isDeleting(before) !== isDeleting(after) || said(before) !== said(after);
const said = ({ status }: Network): string =>
  JSON.stringify([status?.conditions?.map(({ reason, message }) => [reason, message]), status?.virtualIPs]);

/** What counts of a task: where it is, and its addresses; nothing of one that has none, nor will. */
const loadOf = (task: Task | undefined): string =>
  task === undefined || !isOnNode(task) ? '' : JSON.stringify([task.spec.nodeName, task.status?.addresses]);

/** What keeps a node out of networks. */
const limits = (node: Node | undefined): string => {
  const { method, error } = node?.status?.encryption ?? {};
  return JSON.stringify([node?.status?.routes ?? [], method, error]);
};
const epoch = (cluster: Cluster | undefined): number | undefined => cluster?.status?.keys?.epoch;
const pools = (cluster: Cluster | undefined): string => {
  const { pools: all = [], ipv6Pool } = cluster?.spec?.networks ?? {};
  return JSON.stringify([all, ipv6Pool]);
};

/** Whether the namespace's own network is to be made for the service. */
export const needsDefault = (service: Service, cache: Cache): boolean => {
  const { namespace = '' } = service.metadata;
  return (
    networksOf(service.spec).some(({ name }) => name === defaultNetwork) &&
    cache.get('Network', namespace, defaultNetwork) === undefined
  );
};
