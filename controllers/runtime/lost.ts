import type { Node } from '../../api-schemas/index.ts';
import { findCondition, setCondition } from './conditions.ts';
import type { Policy } from './policy.ts';

export interface NodesView {
  readonly nodes: ReadonlyMap<string, Node>;
  /** When a node may become lost to the service although no object changes. */
  readonly wakeAtMs: number | undefined;
}

/** What the nodes controller goes by; a service with the same needs no view of its own. */
const commonLostAfterMs = 5_000;
/** It holds nodes back for the sake of all services. */
const heldReasons: readonly string[] = ['ManyNodesOut', 'AllNodesOut', 'Restored'];

/**
 * The nodes as a service sees them: which are lost follows from its own `disconnect.lostAfter`. Sooner than the
 * nodes controller only when that has said that the node is not ready; later as long as the service wants. Pure;
 * the very map when nothing differs.
 */
export function nodesFor(
  { disconnect }: Pick<Policy, 'disconnect'>,
  nodes: ReadonlyMap<string, Node>,
  nowMs: number,
): NodesView {
  const { lostAfterMs } = disconnect;
  if (lostAfterMs === commonLostAfterMs) return { nodes, wakeAtMs: undefined };
  const changed = new Map<string, Node>();
  let wakeAtMs: number | undefined;
  for (const [name, node] of nodes) {
    const { conditions } = node.status ?? {};
    const connected = findCondition(conditions, 'Connected');
    const lost = findCondition(conditions, 'Lost');
    if (connected?.status !== 'False' || lost === undefined) continue;
    const dueMs = Date.parse(connected.lastTransitionTime) + lostAfterMs;
    if (nowMs < dueMs) wakeAtMs = Math.min(wakeAtMs ?? dueMs, dueMs);
    const isAway = findCondition(conditions, 'Ready')?.reason === 'HeartbeatLost';
    const mayBeLost = lost.status === 'True' || (isAway && !heldReasons.includes(lost.reason));
    const isLost = mayBeLost && nowMs >= dueMs;
    if (isLost === (lost.status === 'True')) continue;
    const own = setCondition(
      conditions,
      { ...lost, status: isLost ? 'True' : 'False' },
      lost.lastTransitionTime,
    );
    changed.set(name, { ...node, status: { ...node.status, conditions: own } });
  }
  if (changed.size === 0) return { nodes, wakeAtMs };
  return { nodes: new Map([...nodes].map(([name, node]) => [name, changed.get(name) ?? node])), wakeAtMs };
}
