/** Server-side apply's view of our kinds: types from their schemas, and which fields each request may own. */
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import type { Clock } from '../../kit/clock.ts';
import { fieldSetOf, type FieldSet } from '../apply/fieldset.ts';
import type { WriteBy } from '../apply/manager.ts';
import { fieldTypeOf, type FieldType } from '../apply/schema.ts';
import { equal, isList, isObject, type Json, type JsonObject } from '../apply/value.ts';
import { metadataOf } from './input.ts';

const types = new Map<AnyKindDef, FieldType>();

/** Made at the first use of a kind. */
export function typeOfKind(def: AnyKindDef): FieldType {
  const known = types.get(def);
  if (known !== undefined) return known;
  const type = fieldTypeOf(def.schema as unknown as JsonObject, () => ({}));
  types.set(def, type);
  return type;
}

/** `status` is the subresource's, all else the main resource's. */
function ignoredBy(def: AnyKindDef, subresource: string): FieldSet | undefined {
  if (!def.subresources.status) return undefined;
  if (subresource !== 'status') return fieldSetOf([['f:status']]);
  const others = Object.keys(def.schema.properties ?? {}).filter((name) => name !== 'status');
  return fieldSetOf(others.map((name) => [`f:${name}`]));
}

/** RFC 3339 in whole seconds, as `managedFields` has it. */
export const seconds = (clock: Clock): string => `${new Date(clock.now()).toISOString().slice(0, 19)}Z`;

export function writeBy(def: AnyKindDef, manager: string, subresource: string, clock: Clock): WriteBy {
  const ignored = ignoredBy(def, subresource);
  return {
    manager,
    apiVersion: def.apiVersion,
    type: typeOfKind(def),
    now: seconds(clock),
    ...(subresource === '' ? {} : { subresource }),
    ...(ignored === undefined ? {} : { ignored }),
  };
}

/** Equal but for the times in managedFields: nothing to write. */
export function sameButTimes(a: JsonObject, b: JsonObject): boolean {
  return equal(timeless(a), timeless(b));
}

function timeless(object: JsonObject): JsonObject {
  const metadata = metadataOf(object);
  const entries: Json | undefined = metadata['managedFields'];
  if (!isList(entries)) return object;
  const managedFields = entries.map((entry) => (isObject(entry) ? { ...entry, time: null } : entry));
  return { ...object, metadata: { ...metadata, managedFields } };
}
