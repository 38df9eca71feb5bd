/**
 * The ca room: replaces the cluster's CA when `Cluster.spec.ca.rotation` is raised, without a moment in which two
 * that are in reach do not trust each other. It only says whose turn it is for what (`Cluster.status.ca`); managers
 * and nodes act on that, and tell what they have done.
 */
import {
  clusterName,
  leaseNamespace,
  serverOfLease,
  type Cluster,
  type ClusterCa,
} from '../../api-schemas/index.ts';
import { isNotFound } from '../../kit/errors.ts';
import type { Cache, Change } from '../../store/types.ts';
import type { Controller } from '../runtime/controller.ts';
import { plan, type Plan } from './plan.ts';

/** While thousands of nodes are at it, what is left of them is written a few times a second, not for each of them. */
const manyLeft = 20;
const cooldownMs = 250;

export const caController: Controller = {
  name: 'ca',
  keys: (cache) => (cache.get('Cluster', '', clusterName) === undefined ? [] : [clusterName]),
  keysOf,
  async reconcile(key, { cache, registry, clock, record, since, storeSince, leaderSince }) {
    let made: Plan | undefined;
    const planFor = (cluster: Cluster): Plan =>
      plan({
        cluster,
        alive: aliveOf(cache),
        nodes: cache.list('Node'),
        nowMs: clock.now(),
        watchingSinceMs: Math.max(leaderSince, storeSince()),
        since,
      });
    try {
      // Managers write of themselves into the same object: what is decided is decided for what is written over.
      const cluster = await registry.modify<Cluster>(
        { kind: 'Cluster', namespace: '', name: key },
        (current) => {
          made = planFor(current);
          const { status } = made;
          if (status === undefined || status === current.status?.ca) return undefined;
          return { ...current, status: { ...current.status, ca: status } };
        },
      );
      for (const event of made?.events ?? []) record(cluster, event);
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    const wakeAtMs = made?.wakeAtMs;
    return {
      ...(wakeAtMs === undefined ? {} : { requeueAfterMs: Math.max(1, wakeAtMs - clock.now()) }),
      ...((made?.status?.waitingFor.length ?? 0) > manyLeft ? { cooldownMs } : {}),
    };
  },
};

const aliveOf = (cache: Cache): ReadonlySet<string> =>
  new Set(
    cache
      .list('Lease', leaseNamespace)
      .map(({ metadata }) => serverOfLease(metadata.name))
      .filter((name) => name !== undefined),
  );

const concerns = (ca: ClusterCa | undefined): boolean =>
  ca !== undefined && (ca.phase !== 'Done' || ca.skipped.length > 0);

function keysOf({ object, type }: Change, cache: Cache): Iterable<string> {
  const { name, namespace } = object.metadata;
  if (object.kind === 'Cluster') return [name];
  if (object.kind === 'Node')
    return concerns(cache.get('Cluster', '', clusterName)?.status?.ca) ? [clusterName] : [];
  const isServer =
    object.kind === 'Lease' && namespace === leaseNamespace && serverOfLease(name) !== undefined;
  return isServer && type !== 'MODIFIED' ? [clusterName] : [];
}
