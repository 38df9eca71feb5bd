/** JSON merge patch (RFC 7386): null removes, objects merge, all else replaces. */
import { isObject, own, put, type Json } from '../apply/value.ts';

export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const out: Record<string, Json> = {};
  const base = isObject(target) ? target : {};
  for (const key of Object.keys(base)) put(out, key, own(base, key) ?? null);
  for (const key of Object.keys(patch)) {
    const value = own(patch, key) ?? null;
    if (value === null) delete out[key];
    else put(out, key, mergePatch(own(base, key), value));
  }
  return out;
}
