import { formatDuration, type Condition, type Node } from '../../api-schemas/index.ts';
import { findCondition, setConditions, type NewCondition } from '../runtime/conditions.ts';
import type { Timing } from '../runtime/controller.ts';
import { heldReason } from '../runtime/nodes.ts';
import type { Since } from '../runtime/sightings.ts';

export interface Observed {
  readonly node: Node;
  /** Whether the server that the node's session is with is alive. */
  readonly isServerAlive: boolean;
  readonly nowMs: number;
  /** Since when a node that came back could have been seen; at least a grace is given from there. */
  readonly watchingSinceMs: number;
  readonly timing: Timing;
  readonly since: Since;
  /** When the cluster was last begun anew, from a backup or from one member. */
  readonly restoredAtMs?: number;
  readonly fleet: () => Fleet;
}

/** How the others are. */
export interface Fleet {
  readonly total: number;
  /** Nodes that are not ready, or about to be, for want of a sign of life or of an engine; this one included. */
  readonly out: number;
  /** When a node was last given up; 0: never. */
  readonly lastLostAtMs: number;
}

export interface Plan {
  /** The very array of the node when nothing changes. */
  readonly conditions: readonly Condition[];
  readonly events: readonly { type: 'Normal' | 'Warning'; reason: string; message: string }[];
  /** When something is due even if nothing changes. */
  readonly wakeAtMs?: number;
}

/**
 * From this share of nodes on it is rather the network or the control plane that fails, and giving up nodes would
 * only move the load to the few that are left: they are given up one by one. (Kubernetes' node lifecycle
 * controller: --unhealthy-zone-threshold 0.55, one node in 10 s.)
 */
const manyShare = 0.55;
const manyEveryMs = 10_000;

/**
 * Returns what is to be said of a node. All its memory is in the conditions: `Connected` falls as soon as the
 * session is gone, with the time of the node's last sign of life; `Ready` a grace after that, `Lost` rises when the
 * node has been away for `lostAfter`. Time in which nobody could have seen it does not count, so that a control
 * plane that was away declares nobody lost; nor is a node lost whose agent is only slow.
 */
export function plan(observed: Observed): Plan {
  const { node, isServerAlive, nowMs, timing } = observed;
  const old = node.status?.conditions;
  const now = new Date(nowMs).toISOString();
  const server = node.status?.session?.server ?? '';
  const isConnected = server !== '' && isServerAlive;
  const connected = isConnected
    ? cond('Connected', 'True', 'SessionOpen', `with server ${server}`)
    : cond('Connected', 'False', 'SessionClosed', disconnectedText(server));

  const seenAtMs = isConnected ? nowMs : lastSeen(observed, server);
  const ready = readyOf(observed, isConnected, seenAtMs);
  const lost = lostOf(observed, ready, seenAtMs);
  const conditions = setConditions(old, [connected, ready, lost.condition], now).map((condition) =>
    condition.type === 'Connected' && condition.status === 'False' && !wasDisconnected(old)
      ? { ...condition, lastTransitionTime: new Date(seenAtMs).toISOString() }
      : condition,
  );
  const dueMs = [
    ...(!isConnected && ready.status === 'True' ? [graceEnd(observed, seenAtMs, timing.sessionGraceMs)] : []),
    ...(lost.dueMs === undefined ? [] : [lost.dueMs]),
  ];
  return {
    conditions: same(old, conditions) ? (old ?? conditions) : conditions,
    events: eventsOf(node, ready, lost.condition),
    ...(dueMs.length === 0 ? {} : { wakeAtMs: Math.min(...dueMs) }),
  };
}

const wasDisconnected = (old: readonly Condition[] | undefined): boolean =>
  findCondition(old, 'Connected')?.status === 'False';

const same = (a: readonly Condition[] | undefined, b: readonly Condition[]): boolean =>
  a?.length === b.length && a.every((condition, i) => condition === b[i]);

/**
 * When the node was last heard of, by our clock: as was found out before, as its server said, or when that was last
 * alive. Its server has another clock: of what it says only how long the node had been silent counts, and that it
 * was just now that it said so.
 */
function lastSeen({ node, nowMs, timing, since: sinceOf }: Observed, server: string): number {
  const before = findCondition(node.status?.conditions, 'Connected');
  if (before?.status === 'False') return sinceOf(node, before);
  const { lastSeen = '', since = '' } = node.status?.session ?? {};
  const silentMs = Date.parse(since) - Date.parse(lastSeen);
  if (!Number.isNaN(silentMs)) return nowMs - Math.max(0, silentMs);
  return server === '' ? nowMs : nowMs - timing.serverLeaseMs;
}

/** The end of a grace since the last sign of life; nodes need a moment to be seen again once somebody looks. */
const graceEnd = ({ watchingSinceMs, timing }: Observed, seenAtMs: number, graceMs: number): number =>
  Math.max(seenAtMs + graceMs, watchingSinceMs + timing.sessionGraceMs);

function readyOf(observed: Observed, isConnected: boolean, seenAtMs: number): NewCondition {
  const { node, nowMs, timing } = observed;
  const { engine, session, conditions } = node.status ?? {};
  const before = findCondition(conditions, 'Ready');
  if (!isConnected) {
    const isInGrace = nowMs < graceEnd(observed, seenAtMs, timing.sessionGraceMs);
    // Not known to be down: what was known last stays.
    if (before !== undefined && isInGrace) return before;
    return cond('Ready', 'Unknown', 'HeartbeatLost', 'nothing has been heard of the machine');
  }
  if (session?.slow === true) {
    return cond('Ready', 'False', 'AgentSlow', 'the machine lives, but its agent does not answer in time');
  }
  if (engine === undefined)
    return cond('Ready', 'False', 'NotReported', 'the agent has not described its engine yet');
  if (!engine.reachable) {
    return cond('Ready', 'False', 'EngineDown', engine.message ?? 'the container engine does not answer');
  }
  return cond('Ready', 'True', 'AgentReady', `${engine.runtime} ${engine.version}`);
}

interface LostVerdict {
  readonly condition: NewCondition;
  readonly dueMs?: number;
}

function lostOf(observed: Observed, ready: NewCondition, seenAtMs: number): LostVerdict {
  const { node, nowMs, timing, fleet } = observed;
  const inReach: LostVerdict = { condition: cond('Lost', 'False', 'InReach', '') };
  const isAway = ready.reason === 'HeartbeatLost';
  if (!isAway && ready.reason !== 'EngineDown') {
    if (ready.status !== 'True' || seenAtMs === nowMs) return inReach;
    return { ...inReach, dueMs: graceEnd(observed, seenAtMs, timing.lostAfterMs) };
  }
  const before = findCondition(node.status?.conditions, 'Lost');
  if (before?.status === 'True') return { condition: before };
  const graceMs = isAway ? timing.lostAfterMs : timing.engineLostAfterMs;
  const dueMs = isAway
    ? graceEnd(observed, seenAtMs, graceMs)
    : Math.max(downSince(observed), observed.watchingSinceMs) + graceMs;
  if (nowMs < dueMs) return { ...inReach, dueMs };
  const unseen = notSeenSinceRestore(observed);
  if (isAway && unseen !== undefined) return unseen;
  const held = heldBack(fleet(), nowMs);
  if (held !== undefined)
    return { condition: cond('Lost', 'False', held.reason, held.message), dueMs: held.dueMs };
  const message = `${isAway ? 'not heard of' : 'without an engine'} for ${formatDuration(graceMs)}: its tasks are replaced elsewhere`;
  return { condition: cond('Lost', 'True', ready.reason, message) };
}

/** After a restore, perhaps at other addresses, nodes may have to be told where the cluster is. */
const findAgainMs = 15 * 60_000;

function notSeenSinceRestore({ node, nowMs, restoredAtMs }: Observed): LostVerdict | undefined {
  if (restoredAtMs === undefined || nowMs >= restoredAtMs + findAgainMs) return undefined;
  // A session that was cleared away, as nobody came back to it, is no sign of life.
  const { server, since, lastSeen } = node.status?.session ?? {};
  if (Date.parse((server === '' ? lastSeen : since) ?? '') >= restoredAtMs) return undefined;
  const message =
    'not seen since the cluster was restored: join it again there, or remove it with `orc node rm`; given up after 15m';
  return {
    condition: cond('Lost', 'False', heldReason.restored, message),
    dueMs: restoredAtMs + findAgainMs,
  };
}

/** Why a node is not given up, although it is due. */
function heldBack(
  { total, out, lastLostAtMs }: Fleet,
  nowMs: number,
): { readonly reason: string; readonly message: string; readonly dueMs: number } | undefined {
  if (total < 3 || out < 2 || out <= manyShare * total) return undefined;
  if (out === total) {
    const message = 'all nodes are out of reach at once: none is given up';
    return { reason: heldReason.all, message, dueMs: nowMs + manyEveryMs };
  }
  const nextMs = lastLostAtMs + manyEveryMs;
  if (nowMs >= nextMs) return undefined;
  const message = `${out} of ${total} nodes are out of reach: they are given up one by one`;
  return { reason: heldReason.many, message, dueMs: nextMs };
}

function downSince({ node, nowMs, since }: Observed): number {
  const before = findCondition(node.status?.conditions, 'Ready');
  return before?.reason === 'EngineDown' ? since(node, before) : nowMs;
}

const cond = (type: string, status: Condition['status'], reason: string, message: string): NewCondition => ({
  type,
  status,
  reason,
  message,
});

const disconnectedText = (server: string): string =>
  server === '' ? 'the agent has no session' : `server ${server}, which held the session, is gone`;

function eventsOf(node: Node, ready: NewCondition, lost: NewCondition): Plan['events'] {
  const before = node.status?.conditions;
  const wasReady = findCondition(before, 'Ready')?.status;
  const wasLost = findCondition(before, 'Lost');
  const events: { type: 'Normal' | 'Warning'; reason: string; message: string }[] = [];
  if (ready.status === 'True' && wasReady !== 'True') {
    events.push({ type: 'Normal', reason: 'NodeReady', message: `Node is ready: ${ready.message}` });
  }
  if (ready.status !== 'True' && wasReady === 'True') {
    events.push({ type: 'Warning', reason: 'NodeNotReady', message: `${ready.reason}: ${ready.message}` });
  }
  if (lost.status === 'True' && wasLost?.status !== 'True') {
    events.push({ type: 'Warning', reason: 'NodeLost', message: lost.message });
  } else if (lost.reason !== 'InReach' && lost.status !== 'True' && wasLost?.reason !== lost.reason) {
    events.push({ type: 'Warning', reason: lost.reason, message: lost.message });
  }
  return events;
}
