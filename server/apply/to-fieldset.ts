/**
 * The fields that a configuration mentions. Scalars and atomic values are members; each item of a list with
 * keys is a member and is descended into; entries of free-form maps are members, declared fields are not
 * unless they are null or `{}`. An empty list with keys owns nothing.
 */
import { fieldElement, itemElement, partsOf, printPath } from './elements.ts';
import { FieldSetBuilder, type FieldPath, type FieldSet, type PathElement } from './fieldset.ts';
import { typeAt, type FieldType, type ListType } from './schema.ts';
import { isList, isObject, own, type Json } from './value.ts';

export function toFieldSet(value: Json, type: FieldType): FieldSet {
  const builder = new FieldSetBuilder();
  walk(value, type, [], builder);
  return builder.build();
}

function walk(value: Json, type: FieldType, path: FieldPath, out: FieldSetBuilder): void {
  const part = partsOf(type, value)[0];
  switch (part) {
    case 'map': {
      const map = type.map;
      if (map === undefined) return;
      if (map.atomic) return out.add(path);
      if (!isObject(value)) return;
      for (const key of Object.keys(value)) {
        const child = own(value, key) ?? null;
        const childPath = [...path, fieldElement(key)];
        walk(child, typeAt(map, key), childPath, out);
        const empty = child === null || (isObject(child) && Object.keys(child).length === 0);
        if (empty || !map.fields.has(key)) out.add(childPath);
      }
      return;
    }
    case 'list': {
      const list = type.list;
      if (list === undefined) return;
      if (list.atomic) return out.add(path);
      if (isList(value)) walkItems(value, list, path, out);
      return;
    }
    case 'scalar':
    case undefined:
      return out.add(path);
  }
}

/** An item that occurs twice is a member as a whole and is not descended into. */
function walkItems(items: readonly Json[], list: ListType, path: FieldPath, out: FieldSetBuilder): void {
  const byElement = new Map<PathElement, Json[]>();
  for (const item of items) {
    const element = itemElement(list, item, printPath(path));
    byElement.set(element, [...(byElement.get(element) ?? []), item]);
  }
  for (const [element, same] of byElement) {
    const itemPath = [...path, element];
    if (same.length === 1) for (const item of same) walk(item, list.element, itemPath, out);
    out.add(itemPath);
  }
}
