/**
 * What server-side apply needs to know of a type, derived from our JSON Schemas: which lists are maps or
 * sets (`x-kubernetes-list-type`, `x-kubernetes-list-map-keys`), what is atomic (`x-kubernetes-map-type`,
 * every other list), and which keys have a default.
 */
import { isList, isObject, own, type Json, type JsonObject } from './value.ts';

export interface FieldType {
  readonly scalar?: true;
  readonly list?: ListType;
  readonly map?: MapType;
}

export interface ListType {
  readonly element: FieldType;
  /** An atomic list has one owner as a whole. */
  readonly atomic: boolean;
  /** Keys that identify an item; none: the list is a set of scalars. */
  readonly keys: readonly string[];
}

export interface MapType {
  readonly fields: ReadonlyMap<string, { readonly type: FieldType; readonly default?: Json }>;
  /** Type of undeclared keys. */
  readonly element?: FieldType;
  readonly atomic: boolean;
}

const scalarType: FieldType = { scalar: true };

/** Anything: objects are granular, lists atomic (what the schema does not describe). */
export const deducedType: FieldType = makeDeduced();

function makeDeduced(): FieldType {
  const map: { fields: MapType['fields']; atomic: boolean; element?: FieldType } = {
    fields: new Map(),
    atomic: false,
  };
  const type: FieldType = { scalar: true, map, list: { element: scalarType, atomic: true, keys: [] } };
  map.element = type;
  return type;
}

const text = (schema: JsonObject, key: string): string | undefined => {
  const value = own(schema, key);
  return typeof value === 'string' ? value : undefined;
};

const objectAt = (schema: JsonObject, key: string): JsonObject | undefined => {
  const value = own(schema, key);
  return isObject(value) ? value : undefined;
};

/**
 * Converts `schema`. `resolve` answers a `$ref`; each schema node is converted once, so recursive schemas end.
 */
export function fieldTypeOf(schema: JsonObject, resolve: (ref: string) => JsonObject): FieldType {
  const seen = new Map<JsonObject, FieldType>();

  const convert = (node: JsonObject): FieldType => {
    const known = seen.get(node);
    if (known !== undefined) return known;
    const type: { scalar?: true; list?: ListType; map?: MapType } = {};
    seen.set(node, type);
    Object.assign(type, build(node));
    return type;
  };

  const build = (node: JsonObject): FieldType => {
    const ref = text(node, '$ref');
    if (ref !== undefined) return convert(resolve(ref));
    const branches = ['anyOf', 'oneOf', 'allOf'].flatMap((key) => {
      const list = own(node, key);
      return isList(list) ? list.filter(isObject).filter((branch) => describesType(branch)) : [];
    });
    const parts = [...(describesType(node, true) ? [ofTypes(node)] : []), ...branches.map(convert)];
    return parts.length === 0 ? deducedType : parts.reduce(mergeTypes);
  };

  const ofTypes = (node: JsonObject): FieldType => {
    const declared = own(node, 'type');
    const names = isList(declared) ? declared : declared === undefined ? ['object'] : [declared];
    return names
      .filter((name) => name !== 'null')
      .map((name): FieldType => {
        if (name === 'array') return { list: listOf(node) };
        return name === 'object' ? { map: mapOf(node) } : scalarType;
      })
      .reduce(mergeTypes, {});
  };

  const listOf = (node: JsonObject): ListType => {
    const items = objectAt(node, 'items');
    const kind = text(node, 'x-kubernetes-list-type');
    const keys = own(node, 'x-kubernetes-list-map-keys');
    return {
      element: items === undefined ? deducedType : convert(items),
      atomic: kind !== 'map' && kind !== 'set',
      keys: kind === 'map' && isList(keys) ? keys.filter((key) => typeof key === 'string') : [],
    };
  };

  const mapOf = (node: JsonObject): MapType => {
    const fields = new Map<string, { type: FieldType; default?: Json }>();
    for (const [name, property] of Object.entries(objectAt(node, 'properties') ?? {})) {
      if (!isObject(property)) continue;
      const fallback = own(property, 'default');
      fields.set(name, { type: convert(property), ...(fallback === undefined ? {} : { default: fallback }) });
    }
    const extra = own(node, 'additionalProperties');
    const open = own(node, 'x-kubernetes-preserve-unknown-fields') === true || extra === true;
    const element = isObject(extra)
      ? convert(extra)
      : open || (extra === undefined && fields.size === 0)
        ? deducedType
        : undefined;
    return {
      fields,
      atomic: text(node, 'x-kubernetes-map-type') === 'atomic',
      ...(element === undefined ? {} : { element }),
    };
  };

  return convert(schema);
}

/** True when the node itself says what values look like (`strict`: not through its branches). */
function describesType(node: JsonObject, strict = false): boolean {
  return [
    'type',
    'properties',
    'items',
    'additionalProperties',
    ...(strict ? [] : ['$ref', 'anyOf', 'oneOf']),
  ].some((key) => Object.hasOwn(node, key));
}

function mergeTypes(a: FieldType, b: FieldType): FieldType {
  const map = a.map !== undefined && b.map !== undefined ? mergeMaps(a.map, b.map) : (a.map ?? b.map);
  const list = a.list ?? b.list;
  return {
    ...(a.scalar === true || b.scalar === true ? { scalar: true as const } : {}),
    ...(list === undefined ? {} : { list }),
    ...(map === undefined ? {} : { map }),
  };
}

function mergeMaps(a: MapType, b: MapType): MapType {
  const element = a.element ?? b.element;
  return {
    fields: new Map([...a.fields, ...b.fields]),
    atomic: a.atomic || b.atomic,
    ...(element === undefined ? {} : { element }),
  };
}

/** The type of the value at `key`; what the schema does not declare counts as free-form. */
export const typeAt = (map: MapType, key: string): FieldType =>
  map.fields.get(key)?.type ?? map.element ?? deducedType;
