/** When the keys of encrypted networks are replaced. Pure: all that is remembered is in `Cluster.status.keys`. */
import { parseDuration, type Cluster, type ClusterKeys, type Node } from '../../api-schemas/index.ts';

export interface Observed {
  /** With its defaults. */
  readonly cluster: Cluster;
  /** There is an encrypted network. */
  readonly isNeeded: boolean;
  readonly nodes: readonly Node[];
  readonly nowMs: number;
}

export interface Plan {
  /** The very object of the cluster when nothing changes. */
  readonly keys: ClusterKeys | undefined;
  /** When something is due even if nothing changes. */
  readonly wakeAtMs?: number;
}

/** Nodes turn to new keys within some tens of seconds; two devices are all that they have. */
const settleMs = 60_000;
/** How long a node that is connected is waited for that has no key of this epoch yet: it would be cut off by the next. */
const patienceMs = 600_000;

/**
 * Returns what is to be said of the keys. A new epoch begins when the last one is old enough, or one is asked for, but
 * never before the nodes that use keys have those of this one: what they have is the key before, and it would go.
 */
export function plan({ cluster, isNeeded, nodes, nowMs }: Observed): Plan {
  const keys = cluster.status?.keys;
  const { keyRotation = '12h', keyGeneration: generation = 0 } = cluster.spec.networks ?? {};
  if (!isNeeded) return { keys };
  const since = new Date(nowMs).toISOString();
  if (keys === undefined) return { keys: { epoch: 1, since, generation }, wakeAtMs: nowMs + settleMs };

  const begunMs = Date.parse(keys.since);
  const isAsked = generation > keys.generation;
  const dueMs = Math.max(begunMs + (isAsked ? 0 : parseDuration(keyRotation)), begunMs + settleMs);
  if (nowMs < dueMs) return { keys: without(keys), wakeAtMs: dueMs };
  const behind = nodes.filter((node) => lacks(node, keys.epoch)).map(({ metadata }) => metadata.name);
  if (behind.length > 0 && nowMs < begunMs + patienceMs)
    return { keys: waiting(keys, behind.sort()), wakeAtMs: begunMs + patienceMs };
  return {
    keys: { epoch: keys.epoch + 1, since, generation: Math.max(generation, keys.generation) },
    wakeAtMs: nowMs + settleMs,
  };
}

/** It has keys, so it is in an encrypted network; it is connected, so it could have said that of this epoch. */
function lacks({ status }: Node, epoch: number): boolean {
  const known = status?.encryption?.keys ?? [];
  const isConnected = (status?.session?.server ?? '') !== '';
  return isConnected && known.length > 0 && !known.some((key) => key.epoch >= epoch);
}

function without(keys: ClusterKeys): ClusterKeys {
  if (keys.waitingFor === undefined) return keys;
  const { waitingFor: _, ...rest } = keys;
  return rest;
}

const waiting = (keys: ClusterKeys, waitingFor: readonly string[]): ClusterKeys =>
  keys.waitingFor?.join() === waitingFor.join() ? keys : { ...keys, waitingFor };
