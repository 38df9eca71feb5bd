/**
 * The replicas room: keeps one task in each slot of a Service, of the revision that `rollout` says, where it may
 * run. It alone creates tasks, tells them to stop and deletes them, and says in the Service's status how far
 * it is and, in words, what stands in the way.
 */
import { timestamp } from '../../kit/clock.ts';
import { isNotFound } from '../../kit/errors.ts';
import type { Revision, Service } from '../../api-schemas/index.ts';
import type { Change, Registry } from '../../store/types.ts';
import { adoptOrphans } from '../runtime/adopt.ts';
import { dropCondition, findCondition, setConditions } from '../runtime/conditions.ts';
import type { Context, Controller } from '../runtime/controller.ts';
import type { NewEvent } from '../runtime/events.ts';
import { paceOf, serviceKeys, serviceKeysOf, specChanged } from '../runtime/keys.ts';
import { keyOf } from '../runtime/names.ts';
import { changesOf, restartsOf } from './announce.ts';
import { apply } from './apply.ts';
import { networksCondition } from './networks.ts';
import { observe, type Seen } from './observe.ts';
import { plan, type Step } from './plan.ts';
import { noTasks, summarize, summarizeRevisions } from './status.ts';

export const replicasController: Controller = {
  name: 'replicas',
  keys: serviceKeys,
  *keysOf(change, cache) {
    const { object } = change;
    switch (object.kind) {
      case 'Endpoints':
        yield keyOf(object);
        return;
      case 'Service':
        if (troubleChanged(change)) yield keyOf(object);
        break;
      case 'Revision':
        // Its status is this room's own.
        if (!specChanged(change)) return;
    }
    yield* serviceKeysOf(change, cache);
  },
  async reconcile(key, context) {
    await adoptOrphans(context.cache, context.registry, key);
    const nowMs = context.clock.now();
    const observed = observe(context.cache, key, nowMs, context.since);
    if (observed === undefined) return;
    const now = timestamp(context.clock);
    const steps = plan({ ...observed, now });
    for (const event of restartsOf(steps, observed.tasks)) context.record(observed.service, event);
    await doAll(steps, context);

    const seen = steps.length === 0 ? observed : observe(context.cache, key, nowMs, context.since);
    if (seen !== undefined) await writeStatus(seen, context, now);
    return paceOf(observed, nowMs);
  },
};

/** Does all steps at once (the store commits them together); throws the first failure after all have ended. */
async function doAll(steps: readonly Step[], { registry }: Context): Promise<void> {
  const results = await Promise.allSettled(steps.map((step) => apply(step, registry)));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}

/** What `endpoints` and `network` say on the service about its ports and networks is part of whether it is ready. */
const troubleChanged = ({ object, previous }: Change): boolean =>
  troubleOf(object as Service) !== troubleOf(previous as Service | undefined);
const troubleOf = (service: Service | undefined): string =>
  ['PortsAllocated', networksCondition]
    .map((type) => findCondition(service?.status?.conditions, type)?.message ?? '')
    .join('\n');

/** Writes the status of the service and of its revisions, and tells of what turned. */
async function writeStatus(seen: Seen, { registry, record }: Context, now: string): Promise<void> {
  const { service, revisions } = seen;
  const { status, conditions, absent } = summarize(seen, seen.endpoints);
  const events: NewEvent[] = [];
  const ofService = ifThere<Service>(registry, service, (current) => {
    const set = setConditions(current.status?.conditions, conditions, now);
    const kept = absent.reduce(dropCondition, set);
    const next = { ...current, status: { ...current.status, ...status, conditions: kept } };
    events.splice(0, events.length, ...changesOf(current, next));
    return next;
  });
  const counts = summarizeRevisions(seen);
  const ofRevisions = revisions.map((revision) => {
    const next = counts.get(revision.metadata.name) ?? noTasks;
    const { replicas, ready } = revision.status ?? {};
    if (replicas === next.replicas && ready === next.ready) return undefined;
    return ifThere<Revision>(registry, revision, (current) => ({ ...current, status: next }));
  });
  await Promise.all([ofService, ...ofRevisions]);
  for (const event of events) record(service, event);
}

/** Changes the very object that was seen; one that went meanwhile needs no status. */
async function ifThere<T extends Service | Revision>(
  registry: Registry,
  seen: T,
  change: (current: T) => T,
): Promise<void> {
  const { namespace = '', name, uid } = seen.metadata;
  try {
    await registry.modify<T>({ kind: seen.kind, namespace, name }, (current) =>
      current.metadata.uid === uid ? change(current) : undefined,
    );
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
