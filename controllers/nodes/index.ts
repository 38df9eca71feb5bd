/**
 * The nodes room: says of each Node whether it is Connected, Ready and Lost. Others act on that: the scheduler
 * gives no task to a node that is not Ready, `replicas` replaces tasks of a Lost one, `endpoints` leaves them out.
 */
import { isNotFound } from '../../kit/errors.ts';
import {
  clusterName,
  leaseNamespace,
  serverLease,
  type Node,
  type NodeStatus,
} from '../../api-schemas/index.ts';
import type { Cache, Change } from '../../store/types.ts';
import type { Controller } from '../runtime/controller.ts';
import { findCondition } from '../runtime/conditions.ts';
import type { Since } from '../runtime/sightings.ts';
import { plan, type Fleet } from './plan.ts';

export const nodesController: Controller = {
  name: 'nodes',
  keys: (cache) => cache.list('Node').map((node) => node.metadata.name),
  keysOf,
  async reconcile(key, { cache, registry, clock, record, timing, since, storeSince }) {
    const node = cache.get('Node', '', key);
    if (node === undefined) return;
    const nowMs = clock.now();
    const server = node.status?.session?.server ?? '';
    const isServerAlive =
      server !== '' && cache.get('Lease', leaseNamespace, serverLease(server)) !== undefined;
    const { conditions, events, wakeAtMs } = plan({
      node,
      isServerAlive,
      nowMs,
      watchingSinceMs: storeSince(),
      timing,
      since,
      ...restoredAt(cache),
      fleet: () => fleetOf(cache, since),
    });
    if (conditions !== node.status?.conditions) {
      try {
        await registry.update<Node>({ ...node, status: { ...node.status, conditions } satisfies NodeStatus });
      } catch (error) {
        if (isNotFound(error)) return;
        throw error;
      }
      for (const event of events) record(node, event);
    }
    return wakeAtMs === undefined ? {} : { requeueAfterMs: Math.max(1, wakeAtMs - nowMs) };
  },
};

function restoredAt(cache: Cache): { restoredAtMs?: number } {
  const at = Date.parse(cache.get('Cluster', '', clusterName)?.status?.restoredAt ?? '');
  return Number.isNaN(at) ? {} : { restoredAtMs: at };
}

function fleetOf(cache: Cache, since: Since): Fleet {
  const nodes = cache.list('Node');
  const lostAt = nodes.flatMap((node) => {
    const lost = findCondition(node.status?.conditions, 'Lost');
    return lost?.status === 'True' ? [since(node, lost)] : [];
  });
  return { total: nodes.length, out: nodes.filter(isOut).length, lastLostAtMs: Math.max(0, ...lostAt) };
}

const isOut = ({ status }: Node): boolean =>
  findCondition(status?.conditions, 'Connected')?.status === 'False' || status?.engine?.reachable === false;

function keysOf({ object, type }: Change, cache: Cache): Iterable<string> {
  if (object.kind === 'Node') return [object.metadata.name];
  if (object.kind !== 'Lease' || type === 'MODIFIED' || object.metadata.namespace !== leaseNamespace)
    return [];
  return cache
    .list('Node')
    .filter((node) => serverLease(node.status?.session?.server ?? '') === object.metadata.name)
    .map((node) => node.metadata.name);
}
