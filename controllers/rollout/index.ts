/**
 * The rollout room: keeps, for each Service, a Revision per container settings it has had, and says how many
 * slots each of them runs now. `replicas` acts on those counts; this room creates no task and stops none.
 */
import { adoptOrphans } from '../runtime/adopt.ts';
import type { Controller } from '../runtime/controller.ts';
import { paceOf, serviceKeys, serviceKeysOf } from '../runtime/keys.ts';
import { apply } from './apply.ts';
import { observeService } from '../runtime/observe-service.ts';
import { plan } from './plan.ts';

export const rolloutController: Controller = {
  name: 'rollout',
  keys: serviceKeys,
  keysOf: serviceKeysOf,
  async reconcile(key, { cache, registry, record, clock, since }) {
    const nowMs = clock.now();
    await adoptOrphans(cache, registry, key);
    const observed = observeService(cache, key, nowMs, since);
    if (observed === undefined) return;
    const steps = plan(observed);
    await Promise.all(steps.map((step) => apply(step, registry)));
    for (const step of steps) {
      if (step.kind !== 'CreateRevision') continue;
      record(observed.service, {
        type: 'Normal',
        reason: 'NewRevision',
        message: `Revision ${step.revision.metadata.name} (number ${step.revision.spec.number}) of ${step.revision.spec.template.image}`,
      });
    }
    return paceOf(observed, nowMs);
  },
};
