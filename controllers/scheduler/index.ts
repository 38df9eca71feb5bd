/**
 * The scheduler room: gives each task that has no node one that fits, and says of each that fits nowhere, per
 * node, why. All pending tasks are placed in one pass, so there is one key; what a pass writes is compared
 * with what it read, and a task that changed meanwhile is looked at again.
 */
import type { Node, Task } from '../../api-schemas/index.ts';
import type { Cache, Change } from '../../store/types.ts';
import type { Context, Controller } from '../runtime/controller.ts';
import { nodeChanged } from '../runtime/keys.ts';
import { isDeleting } from '../runtime/names.ts';
import { isFinished } from '../runtime/tasks.ts';
import { bind, explainTask } from './apply.ts';
import { serviceKey } from './cluster.ts';
import { plan, type Observed, type Step } from './plan.ts';

const everything = 'Task/pending';

export const wantsNode = (task: Task): boolean =>
  task.spec.nodeName === undefined &&
  task.spec.desiredState !== 'Shutdown' &&
  !isDeleting(task) &&
  !isFinished(task);

export const schedulerController: Controller = {
  name: 'scheduler',
  concurrency: 1,
  keys: () => [everything],
  keysOf: (change) => (mayMatter(change) ? [everything] : []),
  async reconcile(_, context) {
    const { cache, clock } = context;
    const tasks = cache.list('Task');
    const pending = tasks.filter(wantsNode);
    if (pending.length === 0) return;
    const steps = plan(observe(cache, tasks, pending, clock.now()));
    await applyAll(steps, context);
    // Under load, more tasks per pass; a lone task is placed at once.
    return pending.length < 10 ? {} : { cooldownMs: Math.min(50, tasks.length / 100) };
  },
};

function observe(cache: Cache, tasks: readonly Task[], pending: readonly Task[], nowMs: number): Observed {
  return {
    pending,
    tasks,
    nodes: cache.list('Node'),
    revisionOf: (task) => cache.get('Revision', task.metadata.namespace ?? '', task.spec.revision),
    serviceOf: (task) => cache.get('Service', task.metadata.namespace ?? '', task.spec.service),
    siblingsOf: (task) => cache.by('Task', 'service', serviceKey(task)),
    nowMs,
  };
}

/** Whether a change brings a task to place, or room for one that waits. */
function mayMatter({ object, previous, ...change }: Change): boolean {
  switch (object.kind) {
    case 'Task': {
      const task = object as Task;
      if (change.type === 'DELETED') return !isFinished(task);
      if (task.spec.nodeName === undefined) return wantsNode(task);
      return isFinished(task) && previous !== undefined && !isFinished(previous as Task);
    }
    case 'Node':
      return nodeChanged({ object: object as Node, previous, ...change });
    case 'Service':
    case 'Revision':
      return previous === undefined || previous.metadata.generation !== object.metadata.generation;
    default:
      return false;
  }
}

async function applyAll(steps: readonly Step[], { registry, clock, record }: Context): Promise<void> {
  const results = await Promise.allSettled(
    steps.map((step) => {
      switch (step.kind) {
        case 'BindTask':
          return bind(step.task, step.nodeName, registry, clock);
        case 'ExplainTask':
          return explainTask(step.task, step.message, { registry, clock, record });
      }
    }),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
