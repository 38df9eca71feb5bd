/**
 * What changed between two values, as sets of paths. A container that is on one side only is itself added
 * or removed, with all that is in it; two empty containers are compared as one value.
 */
import { fieldElement, itemElement, partsOf, printPath, samePart, type Part } from './elements.ts';
import {
  FieldSetBuilder,
  isEmpty,
  recursiveDifference,
  type FieldPath,
  type FieldSet,
  type PathElement,
} from './fieldset.ts';
import { typeAt, type FieldType, type ListType, type MapType } from './schema.ts';
import { equal, isList, isObject, own, type Json, type JsonObject } from './value.ts';

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

export const unchanged = (comparison: Comparison): boolean =>
  isEmpty(comparison.added) && isEmpty(comparison.modified) && isEmpty(comparison.removed);

/** The comparison without `ignored` and what is below it. */
export const ignoring = (comparison: Comparison, ignored: FieldSet): Comparison => ({
  added: recursiveDifference(comparison.added, ignored),
  modified: recursiveDifference(comparison.modified, ignored),
  removed: recursiveDifference(comparison.removed, ignored),
});

interface Out {
  readonly added: FieldSetBuilder;
  readonly modified: FieldSetBuilder;
  readonly removed: FieldSetBuilder;
}
type Maybe = Json | undefined;

export function compare(left: Json, right: Json, type: FieldType): Comparison {
  const out = {
    added: new FieldSetBuilder(),
    modified: new FieldSetBuilder(),
    removed: new FieldSetBuilder(),
  };
  walk(left, right, type, [], out);
  return { added: out.added.build(), modified: out.modified.build(), removed: out.removed.build() };
}

function walk(left: Maybe, right: Maybe, type: FieldType, path: FieldPath, out: Out): void {
  const ofLeft = partsOf(type, left);
  const ofRight = partsOf(type, right);
  let leaf: boolean;
  if (right === undefined) leaf = asPart(ofLeft[0], left, right, type, path, out);
  else if (left === undefined || samePart(ofLeft, ofRight)) {
    leaf = asPart(ofRight[0], left, right, type, path, out);
  } else {
    asPart(ofLeft[0], left, right, type, path, out);
    leaf = asPart(ofRight[0], left, right, type, path, out);
  }
  if (leaf) return;
  if (left === undefined) out.added.add(path);
  else if (right === undefined) out.removed.add(path);
}

/** Compares both sides as `part`; true when they were one value, not descended into. */
function asPart(
  part: Part | undefined,
  left: Maybe,
  right: Maybe,
  type: FieldType,
  path: FieldPath,
  out: Out,
): boolean {
  if (part === 'map' && type.map !== undefined && !type.map.atomic) {
    const a = isObject(left) ? left : {};
    const b = isObject(right) ? right : {};
    if (Object.keys(a).length + Object.keys(b).length > 0) {
      maps(a, b, type.map, path, out);
      return false;
    }
  }
  if (part === 'list' && type.list !== undefined && !type.list.atomic) {
    const a = isList(left) ? left : [];
    const b = isList(right) ? right : [];
    if (a.length + b.length > 0) {
      lists(a, b, type.list, path, out);
      return false;
    }
  }
  if (left === undefined) out.added.add(path);
  else if (right === undefined) out.removed.add(path);
  else if (!equal(left, right)) out.modified.add(path);
  return true;
}

function maps(a: JsonObject, b: JsonObject, map: MapType, path: FieldPath, out: Out): void {
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    walk(own(a, key), own(b, key), typeAt(map, key), [...path, fieldElement(key)], out);
  }
}

function lists(a: readonly Json[], b: readonly Json[], list: ListType, path: FieldPath, out: Out): void {
  const left = itemsByElement(a, list, path);
  const right = itemsByElement(b, list, path);
  for (const element of new Set([...left.keys(), ...right.keys()])) {
    const ls = left.get(element) ?? [];
    const rs = right.get(element) ?? [];
    const itemPath = [...path, element];
    if (ls.length <= 1 && rs.length <= 1) walk(ls[0], rs[0], list.element, itemPath, out);
    else if (ls.length >= 2 && rs.length >= 2) {
      if (!equal(ls, rs)) out.modified.add(itemPath);
    } else if (ls.length >= 2) {
      if (rs.length > 0) walk(undefined, rs[0], list.element, itemPath, out);
      out.removed.add(itemPath);
    } else {
      if (ls.length > 0) walk(ls[0], undefined, list.element, itemPath, out);
      out.added.add(itemPath);
    }
  }
}

/** The items of `list` by path element, those that occur twice together. */
function itemsByElement(
  items: readonly Json[],
  list: ListType,
  path: FieldPath,
): ReadonlyMap<PathElement, readonly Json[]> {
  const found = new Map<PathElement, Json[]>();
  for (const item of items) {
    const element = itemElement(list, item, printPath(path));
    const same = found.get(element);
    if (same === undefined) found.set(element, [item]);
    else same.push(item);
  }
  return found;
}
