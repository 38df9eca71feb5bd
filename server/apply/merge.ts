/**
 * Merges an applied configuration into a live object. Nothing is removed; the configuration's scalars and
 * atomic values win; an empty list or map never clears a granular one. Lists with keys take the
 * configuration's order, live-only items staying where they stand relative to the others.
 */
import { itemElement, partsOf, printPath, fieldElement, TypeProblem } from './elements.ts';
import { type FieldPath, type PathElement } from './fieldset.ts';
import { typeAt, type FieldType, type ListType, type MapType } from './schema.ts';
import { isList, isObject, own, put, type Json, type JsonObject } from './value.ts';

type Maybe = Json | undefined;

/** Throws TypeProblem when the configuration holds an item twice. */
export function merge(live: Json, config: Json, type: FieldType): Json {
  return walk(live, config, type, []) ?? null;
}

function walk(live: Maybe, config: Maybe, type: FieldType, path: FieldPath): Maybe {
  const part = partsOf(type, config)[0];
  if (part === 'map' && type.map !== undefined && !type.map.atomic) {
    const a = isObject(live) ? live : {};
    const b = isObject(config) ? config : {};
    if (Object.keys(a).length + Object.keys(b).length > 0) return maps(a, b, type.map, path);
  }
  if (part === 'list' && type.list !== undefined && !type.list.atomic) {
    const a = isList(live) ? live : [];
    const b = isList(config) ? config : [];
    if (a.length + b.length > 0) return lists(a, b, type.list, path);
  }
  return config ?? (config === null ? null : live);
}

function maps(live: JsonObject, config: JsonObject, map: MapType, path: FieldPath): Maybe {
  const out: Record<string, Json> = {};
  for (const key of new Set([...Object.keys(live), ...Object.keys(config)])) {
    const value = walk(own(live, key), own(config, key), typeAt(map, key), [...path, fieldElement(key)]);
    if (value !== undefined) put(out, key, value);
  }
  return Object.keys(out).length > 0 ? out : undefined;
}

interface Indexed {
  readonly order: readonly PathElement[];
  /** The item of each element; null where a live list holds it more than once. */
  readonly items: ReadonlyMap<PathElement, Json>;
}

function index(items: readonly Json[], list: ListType, path: FieldPath, duplicates: boolean): Indexed {
  const found = new Map<PathElement, Json>();
  const order: PathElement[] = [];
  for (const item of items) {
    const element = itemElement(list, item, printPath(path));
    if (found.has(element) && !duplicates) {
      throw new TypeProblem(printPath(path), `duplicate entries for key ${printPath([element])}`);
    }
    found.set(element, found.has(element) ? null : item);
    order.push(element);
  }
  return { order, items: found };
}

function lists(live: readonly Json[], config: readonly Json[], list: ListType, path: FieldPath): Maybe {
  const left = index(live, list, path, true);
  const right = index(config, list, path, false);
  const out: Json[] = [];
  const take = (element: PathElement, a: Maybe, b: Maybe): void => {
    const value = walk(a, b, list.element, [...path, element]);
    if (value !== undefined) out.push(value);
  };

  // Both lists are walked at once. Live-only items come where they stand; items of the configuration come in
  // its order, and a live item that the configuration also has waits for its turn there.
  const shared = right.order.filter((element) => left.items.has(element));
  const merged = new Set<PathElement>();
  let l = 0;
  let r = 0;
  while (l < left.order.length || r < right.order.length) {
    const mine = left.order[l];
    const theirs = right.order[r];
    if (mine !== undefined && theirs !== undefined) {
      if (mine === theirs) {
        merged.add(mine);
        take(mine, left.items.get(mine), right.items.get(mine));
        l++;
        r++;
        shared.shift();
        continue;
      }
      if (right.items.has(mine) && shared[0] !== undefined && shared[0] !== mine) {
        l++;
        continue;
      }
    }
    if (mine !== undefined) {
      if (!right.items.has(mine)) {
        take(mine, live[l], undefined);
        l++;
        continue;
      }
      if (merged.has(mine)) l++;
    }
    if (theirs !== undefined) {
      merged.add(theirs);
      take(theirs, left.items.get(theirs), right.items.get(theirs));
      r++;
      if (shared[0] === theirs) shared.shift();
    }
  }
  return out.length > 0 ? out : undefined;
}
