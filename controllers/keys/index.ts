/**
 * The keys room: says of which epoch the keys of encrypted networks are (`Cluster.status.keys`). Nodes make keys of their
 * own for it; no manager ever has one.
 */
import { clusterName, withDefaults, type Cluster, type Network, type Node } from '../../api-schemas/index.ts';
import { isNotFound } from '../../kit/errors.ts';
import type { Cache, Change } from '../../store/types.ts';
import type { Controller } from '../runtime/controller.ts';
import { plan, type Plan } from './plan.ts';

export const keysController: Controller = {
  name: 'keys',
  keys: (cache) => (cache.get('Cluster', '', clusterName) === undefined ? [] : [clusterName]),
  keysOf,
  async reconcile(key, { cache, registry, clock, record }) {
    let made: Plan | undefined;
    let before: number | undefined;
    try {
      const cluster = await registry.modify<Cluster>(
        { kind: 'Cluster', namespace: '', name: key },
        (current) => {
          before = current.status?.keys?.epoch;
          made = plan({
            cluster: withDefaults(current),
            isNeeded: isNeeded(cache),
            nodes: cache.list('Node'),
            nowMs: clock.now(),
          });
          const { keys } = made;
          if (keys === undefined || keys === current.status?.keys) return undefined;
          return { ...current, status: { ...current.status, keys } };
        },
      );
      const epoch = made?.keys?.epoch;
      if (epoch !== undefined && epoch !== before)
        record(cluster, {
          type: 'Normal',
          reason: 'KeysRotated',
          message: `nodes make new keys for encrypted networks, of epoch ${String(epoch)}`,
        });
    } catch (error) {
      if (isNotFound(error)) return;
      throw error;
    }
    const wakeAtMs = made?.wakeAtMs;
    return wakeAtMs === undefined ? undefined : { requeueAfterMs: Math.max(1, wakeAtMs - clock.now()) };
  },
};

const isEncrypted = ({ spec }: Network): boolean => spec.encrypted === true;
const isNeeded = (cache: Cache): boolean => cache.list('Network').some(isEncrypted);

function keysOf({ object, previous, type }: Change, cache: Cache): Iterable<string> {
  switch (object.kind) {
    case 'Cluster':
      return [clusterName];
    case 'Network':
      return type !== 'MODIFIED' && isEncrypted(object as Network) ? [clusterName] : [];
    case 'Node': {
      // Only who is waited for counts.
      const isWaiting = cache.get('Cluster', '', clusterName)?.status?.keys?.waitingFor !== undefined;
      return isWaiting && saidOf(object as Node) !== saidOf(previous as Node | undefined)
        ? [clusterName]
        : [];
    }
    default:
      return [];
  }
}

const saidOf = (node: Node | undefined): string =>
  JSON.stringify([node?.status?.encryption?.keys, node?.status?.session?.server]);
