import { isConflict, isNotFound } from '../../kit/errors.ts';
import type { KindName, Obj } from '../../api-schemas/index.ts';
import type { ObjectRef, Registry } from '../../store/types.ts';
import type { Step } from './plan.ts';

const refOf = (object: Obj): ObjectRef => ({
  kind: object.kind as KindName,
  namespace: object.metadata.namespace ?? '',
  name: object.metadata.name,
});

/** Does one step, if the object is still the one that was meant. Doing it again is harmless. */
export async function apply(step: Step, registry: Registry): Promise<void> {
  const { object } = step;
  const { uid } = object.metadata;
  try {
    switch (step.kind) {
      case 'Delete':
        await registry.remove(refOf(object), {
          propagation: step.propagation,
          ...(uid === undefined ? {} : { uid }),
        });
        return;
      case 'Release':
        await registry.modify(refOf(object), (current) =>
          current.metadata.uid === uid ? withoutOwner(current, step.ownerUID) : undefined,
        );
        return;
      case 'TakeFinalizer':
        await registry.modify(refOf(object), (current) =>
          current.metadata.uid === uid ? withoutFinalizer(current, step.finalizer) : undefined,
        );
        return;
    }
  } catch (error) {
    // A uid that differs is a conflict: another object has the name by now.
    const isOther =
      isConflict(error) &&
      registry.cache.get(refOf(object).kind, refOf(object).namespace, refOf(object).name)?.metadata.uid !==
        uid;
    if (!isNotFound(error) && !isOther) throw error;
  }
}

const withoutOwner = (object: Obj, ownerUID: string): Obj => ({
  ...object,
  metadata: {
    ...object.metadata,
    ownerReferences: (object.metadata.ownerReferences ?? []).filter((r) => r.uid !== ownerUID),
  },
});

const withoutFinalizer = (object: Obj, name: string): Obj => ({
  ...object,
  metadata: {
    ...object.metadata,
    finalizers: (object.metadata.finalizers ?? []).filter((f) => f !== name),
  },
});
