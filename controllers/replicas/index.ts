/**
 * The replicas room: keeps one task in each slot of a Service, of the revision that `rollout` says, where it may
 * run. It alone creates tasks, tells them to stop and deletes them, and says in the Service's status how far
 * it is and, in words, what stands in the way.
 */
import { timestamp } from '../../kit/clock.ts';
import { isNotFound } from '../../kit/errors.ts';
import type { Service, Task } from '../../api-schemas/index.ts';
import { dropCondition, setConditions } from '../runtime/conditions.ts';
import type { Context, Controller } from '../runtime/controller.ts';
import { paceOf, serviceKeys, serviceKeysOf } from '../runtime/keys.ts';
import { keyOf } from '../runtime/names.ts';
import { apply } from './apply.ts';
import { observe, type Seen } from './observe.ts';
import { plan, type Step } from './plan.ts';
import { summarize } from './status.ts';

export const replicasController: Controller = {
  name: 'replicas',
  keys: serviceKeys,
  keysOf: (change, cache) =>
    change.object.kind === 'Endpoints' ? [keyOf(change.object)] : serviceKeysOf(change, cache),
  async reconcile(key, context) {
    const observed = observe(context.cache, key);
    if (observed === undefined) return;
    const now = timestamp(context.clock);
    const steps = plan({ ...observed, now });
    announce(steps, observed, context);
    await doAll(steps, context);

    const seen = steps.length === 0 ? observed : observe(context.cache, key);
    if (seen !== undefined) await writeStatus(seen, context, now);
    return paceOf(observed.tasks.length);
  },
};

/** Does all steps at once (the store commits them together); throws the first failure after all have ended. */
async function doAll(steps: readonly Step[], { registry }: Context): Promise<void> {
  const results = await Promise.allSettled(steps.map((step) => apply(step, registry)));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

async function writeStatus(seen: Seen, { registry }: Context, now: string): Promise<void> {
  const { status, conditions, isStalled } = summarize(seen, seen.endpoints);
  const { namespace = '', name, uid } = seen.service.metadata;
  try {
    await registry.modify<Service>({ kind: 'Service', namespace, name }, (current) => {
      if (current.metadata.uid !== uid) return undefined;
      const set = setConditions(current.status?.conditions, conditions, now);
      return {
        ...current,
        status: { ...current.status, ...status, conditions: isStalled ? set : dropCondition(set, 'Stalled') },
      };
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Restarts and replacements are worth an event; tasks of a first start or of scaling are not. */
function announce(steps: readonly Step[], seen: Seen, { record }: Context): void {
  for (const step of steps) {
    if (step.kind !== 'CreateTask') continue;
    const { restarts = 0, notBefore, slot, nodeName } = step.task.spec;
    if (restarts === 0) continue;
    const before = seen.tasks.findLast(
      (task: Task) => task.spec.slot === slot && (slot !== undefined || task.spec.nodeName === nodeName),
    );
    record(seen.service, {
      type: 'Warning',
      reason: 'Restarting',
      message: `slot ${slot ?? nodeName ?? ''}: ${before?.status?.message ?? before?.status?.reason ?? 'task ended'}${notBefore === undefined ? '' : '; waiting before the next start'}`,
    });
  }
}
