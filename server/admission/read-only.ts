/** Kinds that controllers write: users read them, and change no more than their metadata. */
import type { Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import { equal, type Json } from '../apply/value.ts';
import { forbidden } from '../resources/errors.ts';

export function checkCreatable(def: AnyKindDef, name: string): void {
  if (!def.readOnly.includes('create')) return;
  throw forbidden(
    def,
    name,
    `${def.plural} are made by a controller and cannot be created; create a Service or a Stack`,
  );
}

/** Labels, annotations and finalizers stay writable, so that a stuck object can be freed. */
export function checkWritable(def: AnyKindDef, live: Obj, object: Obj): void {
  if (!def.readOnly.includes('update')) return;
  const body = ({ metadata: _metadata, ...rest }: Obj): Json => rest as unknown as Json;
  if (equal(body(live), body(object))) return;
  throw forbidden(
    def,
    live.metadata.name,
    `${def.plural} are written by a controller; only their metadata can be changed. Change the Service they belong to`,
  );
}
