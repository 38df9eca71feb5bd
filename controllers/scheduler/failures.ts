import type { Task } from '../../api-schemas/index.ts';
import { slotOf, stateOf } from '../runtime/tasks.ts';

const windowMs = 5 * 60_000;
const limit = 5;

/**
 * Returns the nodes where tasks of one service failed at least five times in five minutes. History is trimmed,
 * so failures in a row are also read from a task's `spec.restarts` where all that is left of its slot failed
 * on one node.
 */
export function failingNodes(tasks: readonly Task[], nowMs: number): ReadonlySet<string> {
  const bySlot = new Map<string, Task[]>();
  for (const task of tasks) {
    if (!failedLately(task, nowMs)) continue;
    const slot = bySlot.get(slotOf(task));
    if (slot === undefined) bySlot.set(slotOf(task), [task]);
    else slot.push(task);
  }
  const counts = new Map<string, number>();
  for (const failed of bySlot.values()) {
    const nodes = new Set(failed.map((task) => task.spec.nodeName ?? ''));
    const inARow = Math.max(...failed.map((task) => (task.spec.restarts ?? 0) + 1));
    for (const node of nodes) {
      const seen = failed.filter((task) => task.spec.nodeName === node).length;
      counts.set(node, (counts.get(node) ?? 0) + (nodes.size === 1 ? Math.max(seen, inARow) : seen));
    }
  }
  return new Set([...counts].filter(([, count]) => count >= limit).map(([node]) => node));
}

function failedLately(task: Task, nowMs: number): boolean {
  const state = stateOf(task);
  if (state !== 'Failed' && state !== 'Rejected') return false;
  const at = Date.parse(task.status?.finishedAt ?? task.status?.since ?? '');
  return task.spec.nodeName !== undefined && nowMs - at < windowMs;
}
