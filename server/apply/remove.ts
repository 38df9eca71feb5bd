/** Takes the items of a set out of a value. A container that loses all it held becomes null. */
import { fieldElement, itemElement, partsOf, printPath, type Part } from './elements.ts';
import { below, isEmpty, type FieldPath, type FieldSet } from './fieldset.ts';
import { typeAt, type FieldType } from './schema.ts';
import { isList, isObject, own, put, type Json } from './value.ts';

export function removeItems(value: Json, set: FieldSet, type: FieldType): Json {
  return walk(value, set, type, []);
}

function walk(value: Json, set: FieldSet, type: FieldType, path: FieldPath): Json {
  const part: Part | undefined = partsOf(type, value)[0];
  switch (part) {
    case 'map': {
      const map = type.map;
      if (map === undefined || map.atomic || !isObject(value)) return null;
      const out: Record<string, Json> = {};
      for (const key of Object.keys(value)) {
        const element = fieldElement(key);
        if (set.members.has(element)) continue;
        const child = own(value, key) ?? null;
        const rest = below(set, element);
        put(out, key, isEmpty(rest) ? child : walk(child, rest, typeAt(map, key), [...path, element]));
      }
      return Object.keys(out).length > 0 ? out : null;
    }
    case 'list': {
      const list = type.list;
      if (list === undefined || list.atomic || !isList(value)) return null;
      const out: Json[] = [];
      for (const item of value) {
        const element = itemElement(list, item, printPath(path));
        if (set.members.has(element)) continue;
        const rest = below(set, element);
        out.push(isEmpty(rest) ? item : walk(item, rest, list.element, [...path, element]));
      }
      return out.length > 0 ? out : null;
    }
    case 'scalar':
    case undefined:
      return value;
  }
}
