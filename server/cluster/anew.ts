import type { Condition, Node } from '../../api-schemas/index.ts';
import { timestamp, type Clock } from '../../kit/clock.ts';
import { isNotFound } from '../../kit/errors.ts';
import type { Registry } from '../../store/types.ts';

/**
 * Of a store that was begun anew, from a backup or from one member: no node counts as Ready before it has been seen,
 * whatever the objects say of the time before. To be done before the controllers begin, or tasks would be placed on
 * machines that are not there. May be repeated.
 */
export async function forgetWhoWasReady(registry: Registry, clock: Clock): Promise<void> {
  const now = timestamp(clock);
  for (const { metadata } of registry.cache.list('Node')) {
    const ref = { kind: 'Node', namespace: '', name: metadata.name } as const;
    try {
      await registry.modify<Node>(ref, (node) => unseen(node, now), { manager: 'orc-server' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

/** Undefined where nothing changes. */
export function unseen(node: Node, now: string): Node | undefined {
  const conditions = node.status?.conditions ?? [];
  if (conditions.every(({ type, status }) => type !== 'Ready' || status !== 'True')) return undefined;
  const ready: Condition = {
    type: 'Ready',
    status: 'Unknown',
    reason: 'HeartbeatLost',
    message: 'not seen since the cluster was restored',
    lastTransitionTime: now,
  };
  return {
    ...node,
    status: { ...node.status, conditions: conditions.map((one) => (one.type === 'Ready' ? ready : one)) },
  };
}
