/**
 * The stack room: keeps the Services and Networks of each Stack as its manifest says, deletes those that left it, and
 * holds a Stack that is being deleted until the last of them is gone.
 */
import { timestamp } from '../../kit/clock.ts';
import { isAlreadyExists, isNotFound } from '../../kit/errors.ts';
import type { Network, Service, Stack } from '../../api-schemas/index.ts';
import type { Cache, Change } from '../../store/types.ts';
import { dropCondition, setConditions } from '../runtime/conditions.ts';
import type { Context, Controller } from '../runtime/controller.ts';
import { specChanged } from '../runtime/keys.ts';
import { isDeleting, joinKey, keyOf, label, ownerOf, splitKey } from '../runtime/names.ts';
import { apply } from './apply.ts';
import { expand, expandNetworks, plan, type Observed } from './plan.ts';
import { summarize } from './status.ts';

export const stackController: Controller = {
  name: 'stack',
  keys: (cache) => cache.list('Stack').map(keyOf),
  keysOf,
  async reconcile(key, context) {
    const { cache, registry, record } = context;
    const observed = observe(cache, key);
    if (observed === undefined) return;
    const decided = plan(observed);
    for (const conflict of decided.conflicts) {
      record(observed.stack, {
        type: 'Warning',
        reason: 'Conflict',
        message: `${conflict}; it is left alone`,
      });
    }
    const results = await Promise.allSettled(
      decided.steps.map((step) => apply(step, observed.stack, registry)),
    );
    const failure = results.find((result) => result.status === 'rejected');
    // Somebody made the object meanwhile: the next pass sees whose it is.
    if (failure !== undefined && !isAlreadyExists(failure.reason)) throw failure.reason;
    await writeStatus(key, context);
  },
};

function observe(cache: Cache, key: string): Observed | undefined {
  const { namespace, name } = splitKey(key);
  const stack = cache.get('Stack', namespace, name);
  if (stack === undefined) return undefined;
  const standing = new Map<string, Service>();
  for (const service of Object.keys(stack.spec.services).map((part) => `${name}-${part}`)) {
    const current = cache.get('Service', namespace, service);
    if (current !== undefined) standing.set(service, current);
  }
  const standingNetworks = new Map<string, Network>();
  for (const { metadata } of expandNetworks(stack)) {
    const current = cache.get('Network', namespace, metadata.name);
    if (current !== undefined) standingNetworks.set(metadata.name, current);
  }
  const uid = stack.metadata.uid ?? '';
  return {
    stack,
    standing,
    owned: cache.by('Service', 'owner', uid),
    standingNetworks,
    ownedNetworks: cache.by('Network', 'owner', uid),
  };
}

function keysOf(change: Change, cache: Cache): Iterable<string> {
  const { object, previous } = change;
  if (object.kind === 'Stack') return [keyOf(object)];
  // Of a network all but the status counts, which changes often.
  if (object.kind === 'Network' && !specChanged(change)) return [];
  if (object.kind !== 'Service' && object.kind !== 'Network') return [];
  const namespace = object.metadata.namespace ?? '';
  const owner = ownerOf(object) ?? (previous === undefined ? undefined : ownerOf(previous));
  const stack = object.metadata.labels?.[label.stack];
  const keys = new Set<string>();
  if (owner?.kind === 'Stack') keys.add(joinKey(namespace, owner.name));
  if (stack !== undefined) keys.add(joinKey(namespace, stack));
  // One that no stack owns may stand where a stack wants one.
  for (const other of cache.list('Stack', namespace)) {
    const { name } = other.metadata;
    if (object.metadata.name.startsWith(`${name}-`)) keys.add(keyOf(other));
  }
  return keys;
}

async function writeStatus(key: string, { cache, registry, clock }: Context): Promise<void> {
  const observed = observe(cache, key);
  if (observed === undefined) return;
  const { stack, owned } = observed;
  const services = isDeleting(stack) ? new Map(owned.map((s) => [s.metadata.name, s])) : ownOf(observed);
  const names = expand(stack).map((service) => service.metadata.name);
  const { status, conditions } = summarize(stack, names, services, plan(observed));
  const { namespace = '', name, uid } = stack.metadata;
  const isConflict = conditions.some((condition) => condition.type === 'Conflict');
  try {
    await registry.modify<Stack>({ kind: 'Stack', namespace, name }, (current) => {
      if (current.metadata.uid !== uid) return undefined;
      const set = setConditions(current.status?.conditions, conditions, timestamp(clock));
      return {
        ...current,
        status: {
          ...current.status,
          ...status,
          conditions: isConflict ? set : dropCondition(set, 'Conflict'),
        },
      };
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** The standing services that are the stack's own. */
function ownOf({ owned, standing }: Observed): ReadonlyMap<string, Service> {
  const uids = new Set(owned.map((service) => service.metadata.uid));
  return new Map([...standing].filter(([, service]) => uids.has(service.metadata.uid)));
}
