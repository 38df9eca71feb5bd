/** Defaults, applied on read and never stored. */
import type { Schema } from './dialect.ts';
import { kindByName } from './kinds.ts';
import type { AnyObj, Obj } from './types.ts';
import { fieldSchema, isObject, schemaOf } from './walk.ts';

const hasDefaults = new WeakMap<Schema, boolean>();

/** Whether anything at or below a schema has a default; what has none is passed through as it is. */
function defaultsIn(schema: Schema): boolean {
  const known = hasDefaults.get(schema);
  if (known !== undefined) return known;
  const below = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.anyOf ?? []),
    ...(schema.items === undefined ? [] : [schema.items]),
    ...(schema.additionalProperties === undefined ? [] : [schema.additionalProperties]),
  ];
  const any = schema.default !== undefined || below.some(defaultsIn);
  hasDefaults.set(schema, any);
  return any;
}

function fill(value: unknown, declared: Schema): unknown {
  const schema = schemaOf(declared, value);
  if (schema === undefined || !defaultsIn(schema)) return value;
  if (Array.isArray(value)) {
    const { items } = schema;
    return items === undefined ? value : value.map((item) => fill(item, items));
  }
  if (!isObject(value)) return value;
  const filled: Record<string, unknown> = {};
  for (const [key, child] of Object.entries(value)) {
    const below = fieldSchema(schema, key);
    filled[key] = below === undefined ? child : fill(child, below);
  }
  for (const [key, below] of Object.entries(schema.properties ?? {})) {
    if (below.default !== undefined && (filled[key] === undefined || filled[key] === null))
      filled[key] = fill(below.default, below);
  }
  return filled;
}

const cache = new WeakMap<object, unknown>();

/**
 * The object with every default filled in, deeply. The input is never changed; for a frozen one the answer is
 * remembered, frozen at the top. An object of an unknown kind comes back as it is.
 */
export function withDefaults<T extends Obj>(object: T): T {
  const known = cache.get(object);
  if (known !== undefined) return known as T;
  const def = kindByName(object.kind);
  if (def === undefined) return object;
  const filled = fill(object, def.schema) as AnyObj;
  const whole = (def.defaults?.(filled) ?? filled) as unknown as T;
  if (Object.isFrozen(object)) {
    Object.freeze(whole);
    cache.set(object, whole);
    cache.set(whole, whole);
  }
  return whole;
}
