import { timestamp, type Clock } from '../../kit/clock.ts';
import { isConflict, isNotFound } from '../../kit/errors.ts';
import type { Task } from '../../api-schemas/index.ts';
import type { Registry } from '../../store/types.ts';
import { findCondition, setCondition } from '../runtime/conditions.ts';
import type { RecordEvent } from '../runtime/events.ts';
import { finalizer } from '../runtime/names.ts';

/** Gives the task to the node, if it is still as it was read. */
export async function bind(task: Task, nodeName: string, registry: Registry, clock: Clock): Promise<void> {
  const now = timestamp(clock);
  const finalizers = task.metadata.finalizers ?? [];
  const { reason: _, message: __, ...status } = task.status ?? { state: 'New' };
  await unlessChanged(() =>
    registry.update<Task>({
      ...task,
      metadata: {
        ...task.metadata,
        finalizers: finalizers.includes(finalizer.container)
          ? finalizers
          : [...finalizers, finalizer.container],
      },
      spec: { ...task.spec, nodeName },
      status: {
        ...status,
        state: 'Assigned',
        since: now,
        conditions: setCondition(
          status.conditions,
          { type: 'Scheduled', status: 'True', reason: 'Assigned', message: `to node ${nodeName}` },
          now,
        ),
      },
    }),
  );
}

/** Writes on the task, once per new explanation, why no node fits. */
export async function explainTask(
  task: Task,
  message: string,
  { registry, clock, record }: { registry: Registry; clock: Clock; record: RecordEvent },
): Promise<void> {
  const known = findCondition(task.status?.conditions, 'Scheduled');
  if (known?.status === 'False' && known.message === message) return;
  const now = timestamp(clock);
  const reason = 'NoNodeFits';
  await unlessChanged(async () => {
    await registry.update<Task>({
      ...task,
      status: {
        ...task.status,
        state: 'Pending',
        since: task.status?.state === 'Pending' ? (task.status.since ?? now) : now,
        reason,
        message,
        conditions: setCondition(
          task.status?.conditions,
          { type: 'Scheduled', status: 'False', reason, message },
          now,
        ),
      },
    });
    record(task, { type: 'Warning', reason: 'FailedScheduling', message });
  });
}

/** A task that changed since it was read brings its own change, and so another pass. */
async function unlessChanged(write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isConflict(error) && !isNotFound(error)) throw error;
  }
}
