import type { AnyObj, Obj } from '../../api-schemas/index.ts';
import { finalizer, isDeleting } from '../runtime/names.ts';

export type Step =
  | { readonly kind: 'Delete'; readonly object: Obj; readonly propagation: 'Background' | 'Foreground' }
  /** The object stays, but no longer belongs to the owner. */
  | { readonly kind: 'Release'; readonly object: Obj; readonly ownerUID: string }
  | { readonly kind: 'TakeFinalizer'; readonly object: Obj; readonly finalizer: string };

export interface Owned {
  /** The owner; undefined when it certainly no longer exists. */
  readonly owner: Obj | undefined;
  readonly ownerUID: string;
  /** Objects that name it as an owner. */
  readonly dependents: readonly Obj[];
  /** Whether another owner of the object still exists. */
  readonly hasOtherOwner: (object: Obj) => boolean;
}

/**
 * Returns what is to become of the dependents of an owner that is gone, or that waits for them: `orphan` lets
 * them go, `foregroundDeletion` holds the owner until those that block it are gone. Revisions go last: a
 * container that still stops is described by one.
 */
export function plan({ owner, ownerUID, dependents, hasOtherOwner }: Owned): Step[] {
  if (owner !== undefined && !isDeleting(owner)) return [];
  const finalizers = owner?.metadata.finalizers ?? [];

  if (owner !== undefined && finalizers.includes(finalizer.orphan)) {
    return dependents.length > 0
      ? dependents.map((object) => ({ kind: 'Release', object, ownerUID }))
      : [{ kind: 'TakeFinalizer', object: owner, finalizer: finalizer.orphan }];
  }
  const isForeground = finalizers.includes(finalizer.foreground);
  if (owner !== undefined && !isForeground) return [];

  const hasTasks = dependents.some((object) => object.kind === 'Task');
  const steps = dependents
    .filter((object) => !isDeleting(object) && !(hasTasks && object.kind === 'Revision'))
    .map((object): Step =>
      hasOtherOwner(object)
        ? { kind: 'Release', object, ownerUID }
        : { kind: 'Delete', object, propagation: isForeground ? 'Foreground' : 'Background' },
    );
  if (owner === undefined || dependents.some((object) => blocks(object, ownerUID))) return steps;
  return [...steps, { kind: 'TakeFinalizer', object: owner, finalizer: finalizer.foreground }];
}

const blocks = (object: Obj, ownerUID: string): boolean =>
  object.metadata.ownerReferences?.some((r) => r.uid === ownerUID && r.blockOwnerDeletion === true) ?? false;

/** In this order a namespace is emptied: what makes others first, so that nothing is made anew. */
const order: readonly AnyObj['kind'][] = [
  'Stack',
  'Service',
  'Task',
  'Revision',
  'Endpoints',
  'Network',
  'Lease',
  'Event',
];

/** Returns what is to be deleted now of a namespace that is going: one kind after the other. */
export function planNamespace(namespace: Obj, contents: readonly Obj[]): Step[] {
  if (!isDeleting(namespace)) return [];
  const rest = contents.filter((object) => object.kind !== 'Event');
  if (rest.length === 0) {
    const events = contents.map((object): Step => ({ kind: 'Delete', object, propagation: 'Background' }));
    const held = namespace.metadata.finalizers?.includes(finalizer.namespace) ?? false;
    return held
      ? [...events, { kind: 'TakeFinalizer', object: namespace, finalizer: finalizer.namespace }]
      : events;
  }
  const first = order.find((kind) => rest.some((object) => object.kind === kind)) ?? rest[0]?.kind;
  return rest
    .filter((object) => object.kind === first && !isDeleting(object))
    .map((object) => ({
      kind: 'Delete',
      object,
      propagation: object.kind === 'Stack' || object.kind === 'Service' ? 'Foreground' : 'Background',
    }));
}
