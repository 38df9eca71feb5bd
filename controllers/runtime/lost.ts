import type { Node } from '../../api-schemas/index.ts';
import { findCondition, setCondition } from './conditions.ts';
import { defaultTiming } from './controller.ts';
import { isHeld, isSettled } from './nodes.ts';
import type { Policy } from './policy.ts';
import type { Since } from './sightings.ts';

export interface NodesView {
  readonly nodes: ReadonlyMap<string, Node>;
  /** When a node may become lost to the service, or has had its time to speak, although no object changes. */
  readonly wakeAtMs: number | undefined;
  /** Nodes that have only just come back: what they ran may have ended meanwhile, and they have not said so yet. */
  readonly justBack: ReadonlySet<string>;
}

/** What the nodes controller goes by; a service with the same needs no view of its own. */
const { lostAfterMs: commonLostAfterMs } = defaultTiming;
/** A node that is ready says within this time what became of its tasks, or that it has not come to that yet. */
const speakWithinMs = 3_000;
/** How long one is waited for that has not. */
const settleWithinMs = 60_000;
const none: ReadonlySet<string> = new Set();

/**
 * The nodes as a service sees them: which are lost follows from its own `disconnect.lostAfter`. Sooner than the
 * nodes controller only when that has said that the node is not ready; later as long as the service wants. Pure;
 * the very map when nothing differs.
 */
export function nodesFor(
  policy: Pick<Policy, 'disconnect' | 'mode'>,
  nodes: ReadonlyMap<string, Node>,
  nowMs: number,
  since: Since,
): NodesView {
  const { lostAfterMs } = policy.disconnect;
  const { justBack, wakeAtMs: spokenAtMs } = returned(policy, nodes, nowMs, since);
  if (lostAfterMs === commonLostAfterMs) return { nodes, wakeAtMs: spokenAtMs, justBack };
  const changed = new Map<string, Node>();
  let wakeAtMs = spokenAtMs;
  for (const [name, node] of nodes) {
    const { conditions } = node.status ?? {};
    const connected = findCondition(conditions, 'Connected');
    const lost = findCondition(conditions, 'Lost');
    if (connected?.status !== 'False' || lost === undefined) continue;
    const dueMs = since(node, connected) + lostAfterMs;
    if (nowMs < dueMs) wakeAtMs = Math.min(wakeAtMs ?? dueMs, dueMs);
    const isAway = findCondition(conditions, 'Ready')?.reason === 'HeartbeatLost';
    const mayBeLost = lost.status === 'True' || (isAway && !isHeld(lost));
    const isLost = mayBeLost && nowMs >= dueMs;
    if (isLost === (lost.status === 'True')) continue;
    const own = setCondition(
      conditions,
      { ...lost, status: isLost ? 'True' : 'False' },
      lost.lastTransitionTime,
    );
    changed.set(name, { ...node, status: { ...node.status, conditions: own } });
  }
  const own =
    changed.size === 0 ? nodes : new Map([...nodes].map(([name, node]) => [name, changed.get(name) ?? node]));
  return { nodes: own, wakeAtMs, justBack };
}

/** Who compares a task with its replacement has to wait for news of it, and who has a task on each node for its count. */
function returned(
  { disconnect: { reconcile }, mode }: Pick<Policy, 'disconnect' | 'mode'>,
  nodes: ReadonlyMap<string, Node>,
  nowMs: number,
  since: Since,
): Omit<NodesView, 'nodes'> {
  if (reconcile === 'keepReplacement' && mode !== 'global') return { justBack: none, wakeAtMs: undefined };
  const justBack = new Set<string>();
  let wakeAtMs: number | undefined;
  for (const [name, node] of nodes) {
    const ready = findCondition(node.status?.conditions, 'Ready');
    const spokenAtMs = since(node, ready) + (isSettled(node) ? speakWithinMs : settleWithinMs);
    if (ready?.status !== 'True' || !(nowMs < spokenAtMs)) continue;
    justBack.add(name);
    wakeAtMs = Math.min(wakeAtMs ?? spokenAtMs, spokenAtMs);
  }
  return { justBack, wakeAtMs };
}
