import { formatDuration, type Condition, type Node } from '../../api-schemas/index.ts';
import { findCondition, setConditions, type NewCondition } from '../runtime/conditions.ts';
import type { Timing } from '../runtime/controller.ts';

export interface Observed {
  readonly node: Node;
  /** Whether the server that the node's session is with is alive. */
  readonly isServerAlive: boolean;
  readonly nowMs: number;
  /** Since when this process could have seen the node come back; grace counts from there at the earliest. */
  readonly watchingSinceMs: number;
  readonly timing: Timing;
}

export interface Plan {
  /** The very array of the node when nothing changes. */
  readonly conditions: readonly Condition[];
  readonly events: readonly { type: 'Normal' | 'Warning'; reason: string; message: string }[];
  /** When something is due even if nothing changes. */
  readonly wakeAtMs?: number;
}

/**
 * Returns what is to be said of a node. All its memory is in the conditions' transition times: `Connected` falls
 * as soon as the session is gone, `Ready` a grace later, `Lost` rises another while after that. Time in which
 * nobody watched does not count, so that a control plane that was away declares nobody lost.
 */
export function plan({ node, isServerAlive, nowMs, watchingSinceMs, timing }: Observed): Plan {
  const old = node.status?.conditions;
  const now = new Date(nowMs).toISOString();
  const server = node.status?.session?.server ?? '';
  const isConnected = server !== '' && isServerAlive;
  const connected = isConnected
    ? cond('Connected', 'True', 'SessionOpen', `with server ${server}`)
    : cond('Connected', 'False', 'SessionClosed', disconnectedText(server));

  const since = (type: string, status: Condition['status']): number => {
    const before = findCondition(old, type);
    const is = before !== undefined && before.status === status;
    return Math.max(is ? Date.parse(before.lastTransitionTime) : nowMs, watchingSinceMs);
  };
  const closedAtMs = isConnected ? nowMs : since('Connected', 'False');
  const ready = readyOf(node, isConnected, closedAtMs, nowMs, timing);
  const wasReady = findCondition(old, 'Ready');

  const downSinceMs =
    wasReady === undefined || wasReady.status === 'True'
      ? Math.max(nowMs, watchingSinceMs)
      : Math.max(Date.parse(wasReady.lastTransitionTime), watchingSinceMs);
  const isLost = ready.status !== 'True' && nowMs - downSinceMs >= timing.lostAfterMs;
  const lost = isLost
    ? cond(
        'Lost',
        'True',
        ready.reason,
        `not ready for ${formatDuration(timing.lostAfterMs)}: its tasks are replaced elsewhere`,
      )
    : cond('Lost', 'False', 'InReach', '');

  const conditions = setConditions(old, [connected, ready, lost], now);
  const dueMs = [
    ...(!isConnected && ready.status === 'True' ? [closedAtMs + timing.sessionGraceMs] : []),
    ...(ready.status !== 'True' && !isLost ? [downSinceMs + timing.lostAfterMs] : []),
  ];
  return {
    conditions,
    events: eventsOf(node, ready, lost),
    ...(dueMs.length === 0 ? {} : { wakeAtMs: Math.min(...dueMs) }),
  };
}

function readyOf(
  node: Node,
  isConnected: boolean,
  closedAtMs: number,
  nowMs: number,
  timing: Timing,
): NewCondition {
  const engine = node.status?.engine;
  const before = findCondition(node.status?.conditions, 'Ready');
  if (!isConnected) {
    const isInGrace = nowMs - closedAtMs < timing.sessionGraceMs;
    if (before !== undefined && (isInGrace || before.status !== 'True')) {
      // Not known to be down; what was known last stays.
      if (isInGrace || before.reason === 'HeartbeatLost') return before;
    }
    return cond('Ready', 'Unknown', 'HeartbeatLost', 'the agent has no session with any server');
  }
  if (engine === undefined)
    return cond('Ready', 'False', 'NotReported', 'the agent has not described its engine yet');
  if (!engine.reachable) {
    return cond('Ready', 'False', 'EngineDown', engine.message ?? 'the container engine does not answer');
  }
  return cond('Ready', 'True', 'AgentReady', `${engine.runtime} ${engine.version}`);
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
  const wasLost = findCondition(before, 'Lost')?.status === 'True';
  const events: { type: 'Normal' | 'Warning'; reason: string; message: string }[] = [];
  if (ready.status === 'True' && wasReady !== 'True') {
    events.push({ type: 'Normal', reason: 'NodeReady', message: `Node is ready: ${ready.message}` });
  }
  if (ready.status !== 'True' && wasReady === 'True') {
    events.push({ type: 'Warning', reason: 'NodeNotReady', message: `${ready.reason}: ${ready.message}` });
  }
  if (lost.status === 'True' && !wasLost) {
    events.push({ type: 'Warning', reason: 'NodeLost', message: lost.message });
  }
  return events;
}
