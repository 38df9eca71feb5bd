/**
 * The garbage collector: what belongs to an owner that is gone goes too, an owner that is deleted in the
 * foreground waits for what it owns, a namespace that is deleted is emptied, and old Events are removed.
 */
import { kinds, type Event, type KindName, type Namespace, type Obj } from '../../api-schemas/index.ts';
import type { Cache, Change } from '../../store/types.ts';
import type { Context, Controller } from '../runtime/controller.ts';
import { finalizer, isDeleting } from '../runtime/names.ts';
import type { Outcome } from '../runtime/outcome.ts';
import { apply } from './apply.ts';
import { plan, planNamespace, type Step } from './plan.ts';

const kindNames: readonly KindName[] = kinds.map((def) => def.kind);
const namespaced: readonly KindName[] = kinds.filter((def) => def.namespaced).map((def) => def.kind);
const eventsKey = 'Event/all';
const eventsEveryMs = 60_000;

export const gcController: Controller = {
  name: 'gc',
  *keys(cache) {
    yield eventsKey;
    for (const kind of kindNames) {
      for (const object of cache.list(kind)) yield* keysOfObject(object, cache);
    }
  },
  *keysOf(change, cache) {
    yield* keysOfChange(change, cache);
  },
  async reconcile(key, context) {
    const slash = key.indexOf('/');
    const [subject, id] = [key.slice(0, slash), key.slice(slash + 1)];
    switch (subject) {
      case 'owner':
        return passOwner(id, context);
      case 'namespace':
        return passNamespace(id, context);
      default:
        return passEvents(context);
    }
  },
};

function* keysOfObject(object: Obj, cache: Cache): Iterable<string> {
  for (const { uid } of object.metadata.ownerReferences ?? []) {
    if (!exists(cache, uid) || isDeleting(object)) yield `owner/${uid}`;
  }
  if (!isDeleting(object)) return;
  yield* keysOfDeleting(object);
}

function* keysOfDeleting({ kind, metadata }: Obj): Iterable<string> {
  const waits = metadata.finalizers?.some((f) => f === finalizer.foreground || f === finalizer.orphan);
  if (waits === true && metadata.uid !== undefined) yield `owner/${metadata.uid}`;
  if (kind === 'Namespace') yield `namespace/${metadata.name}`;
}

function* keysOfChange({ object, type }: Change, cache: Cache): Iterable<string> {
  const { metadata, kind } = object;
  if (type === 'DELETED') {
    if (metadata.uid !== undefined && hasDependents(cache, metadata.uid)) yield `owner/${metadata.uid}`;
    // An owner may wait for it, in the foreground or with its revisions.
    for (const { uid } of metadata.ownerReferences ?? []) {
      const owner = find(cache, uid);
      if (owner === undefined || isDeleting(owner)) yield `owner/${uid}`;
    }
  } else {
    if (type === 'ADDED') {
      for (const { uid } of metadata.ownerReferences ?? []) {
        const owner = find(cache, uid);
        if (owner === undefined || isDeleting(owner)) yield `owner/${uid}`;
      }
    }
    if (isDeleting(object)) yield* keysOfDeleting(object);
  }
  if (kind === 'Namespace' || metadata.namespace === undefined) return;
  const namespace = cache.get('Namespace', '', metadata.namespace);
  if (namespace !== undefined && isDeleting(namespace)) yield `namespace/${metadata.namespace}`;
}

function find(cache: Cache, uid: string): Obj | undefined {
  for (const kind of kindNames) {
    const [object] = cache.by(kind, 'uid', uid);
    if (object !== undefined) return object;
  }
  return undefined;
}

const exists = (cache: Cache, uid: string): boolean => find(cache, uid) !== undefined;

const dependentsOf = (cache: Cache, uid: string): readonly Obj[] =>
  kindNames.flatMap((kind): readonly Obj[] => cache.by(kind, 'dependent', uid));

const hasDependents = (cache: Cache, uid: string): boolean =>
  kindNames.some((kind) => cache.by(kind, 'dependent', uid).length > 0);

async function passOwner(uid: string, context: Context): Promise<Outcome> {
  const { cache } = context;
  // Absent from the cache may only mean not there yet: nothing is deleted on that.
  if (!exists(cache, uid)) await cache.sync();
  const steps = plan({
    owner: find(cache, uid),
    ownerUID: uid,
    dependents: dependentsOf(cache, uid),
    hasOtherOwner: (object) =>
      (object.metadata.ownerReferences ?? []).some((r) => r.uid !== uid && exists(cache, r.uid)),
  });
  await applyAll(steps, context);
  // What was let go no longer names the owner, so that its change wakes nobody: look again for the rest.
  return steps.some((step) => step.kind === 'Release') ? { requeueAfterMs: 0 } : {};
}

async function passNamespace(name: string, context: Context): Promise<void> {
  const { cache, registry } = context;
  const namespace = cache.get('Namespace', '', name);
  if (namespace === undefined || !isDeleting(namespace)) return;
  await cache.sync();
  const contents = namespaced.flatMap((kind): readonly Obj[] => cache.list(kind, name));
  if (namespace.status?.phase !== 'Terminating') {
    await registry.modify<Namespace>({ kind: 'Namespace', namespace: '', name }, (current) => ({
      ...current,
      status: { ...current.status, phase: 'Terminating' },
    }));
  }
  await applyAll(planNamespace(namespace, contents), context);
}

async function passEvents(context: Context): Promise<Outcome> {
  const { cache, clock, timing } = context;
  const old = cache
    .list('Event')
    .filter((event: Event) => clock.now() - Date.parse(event.lastTimestamp) > timing.eventTtlMs)
    .map((object): Step => ({ kind: 'Delete', object, propagation: 'Background' }));
  await applyAll(old, context);
  return { requeueAfterMs: Math.min(eventsEveryMs, timing.eventTtlMs) };
}

async function applyAll(steps: readonly Step[], { registry }: Context): Promise<void> {
  const results = await Promise.allSettled(steps.map((step) => apply(step, registry)));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
