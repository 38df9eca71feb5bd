/** Finalizers that the server gives to objects whose deletion is a controller's work. */
import type { Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';

const given: Readonly<Record<string, string>> = {
  Stack: 'orc.dev/stack',
  Namespace: 'orc.dev/namespace',
  Network: 'orc.dev/network',
};

/** `object` with its kind's finalizer. Put back by every write until the object is being deleted. */
export function withFinalizers(def: AnyKindDef, object: Obj): Obj {
  const finalizer = given[def.kind];
  const present = object.metadata.finalizers ?? [];
  if (finalizer === undefined || present.includes(finalizer)) return withPhase(def, object);
  return withPhase(def, {
    ...object,
    metadata: { ...object.metadata, finalizers: [...present, finalizer] },
  });
}

function withPhase(def: AnyKindDef, object: Obj): Obj {
  if (def.kind !== 'Namespace' || 'status' in object) return object;
  const status = { phase: 'Active' };
  return Object.assign({ ...object }, { status });
}
