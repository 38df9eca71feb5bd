/** How an item of a list is named in a path. */
import type { PathElement } from './fieldset.ts';
import type { FieldType, ListType } from './schema.ts';
import { canonical, isList, isObject, own, put, type Json } from './value.ts';

/** What is wrong with a configuration; `path` is where, as `.spec.ports[0]`. */
export class TypeProblem extends Error {
  readonly path: string;
  constructor(path: string, message: string) {
    super(path === '' ? message : `${path}: ${message}`);
    this.path = path;
  }
}

export const fieldElement = (name: string): PathElement => `f:${name}`;

/**
 * The path element of `item`. Keys that the item omits are taken from the schema's defaults.
 * Throws TypeProblem when it cannot be identified.
 */
export function itemElement(list: ListType, item: Json, path: string): PathElement {
  if (list.keys.length === 0) {
    if (item === null || isObject(item) || isList(item)) {
      throw new TypeProblem(path, 'an item of a set must be a string, a number or a boolean');
    }
    return `v:${canonical(item)}`;
  }
  if (!isObject(item)) throw new TypeProblem(path, 'an item of a list with keys must be an object');
  const keys: Record<string, Json> = {};
  for (const key of list.keys) {
    const value = own(item, key) ?? list.element.map?.fields.get(key)?.default;
    if (value !== undefined) put(keys, key, value);
  }
  if (Object.keys(keys).length === 0) {
    throw new TypeProblem(path, `omits all key fields (${list.keys.join(', ')})`);
  }
  return `k:${canonical(keys)}`;
}

/** `.spec.ports[protocol="tcp",target=80].name`, as Kubernetes prints paths. */
export function printPath(path: readonly PathElement[]): string {
  return path.map(printElement).join('');
}

export function printElement(element: PathElement): string {
  const rest = element.slice(2);
  switch (element.charAt(0)) {
    case 'k': {
      const keys = JSON.parse(rest) as Record<string, Json>;
      return `[${Object.entries(keys)
        .map(([key, value]) => `${key}=${canonical(value)}`)
        .join(',')}]`;
    }
    case 'v':
      return `[=${rest}]`;
    case 'i':
      return `[${rest}]`;
    default:
      return `.${rest}`;
  }
}

export type Part = 'map' | 'scalar' | 'list';

/** The parts of `type` that `value` may be: one, or all of them for null and for what fits none. */
export function partsOf(type: FieldType, value: Json | undefined): readonly Part[] {
  if (isList(value)) {
    if (type.list !== undefined) return ['list'];
  } else if (isObject(value)) {
    if (type.map !== undefined) return ['map'];
  } else if (value !== undefined && value !== null && type.scalar === true) return ['scalar'];
  return [
    ...(type.map === undefined ? [] : (['map'] as const)),
    ...(type.scalar === undefined ? [] : (['scalar'] as const)),
    ...(type.list === undefined ? [] : (['list'] as const)),
  ];
}

export const samePart = (a: readonly Part[], b: readonly Part[]): boolean => a.join() === b.join();
