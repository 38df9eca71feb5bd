/**
 * The dialect of JSON Schema that kinds are written in: structural (a type on every node, no `$ref`), each
 * field described. An object with `properties` is closed: what it does not name is an unknown field.
 */
import type { FormatName } from './formats.ts';

export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  /** Name of the generated TypeScript type. */
  readonly title?: string;
  readonly description: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  /** Values of a map. An object has either this or `properties`. */
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly enum?: readonly (string | number)[];
  /** Applied on read, never stored. */
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly nullable?: boolean;
  readonly format?: FormatName;
  /** Alternatives of different types (no `type` beside it). */
  readonly anyOf?: readonly Schema[];
  readonly 'x-kubernetes-list-type'?: 'map' | 'set' | 'atomic';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  /** Any content below this node. */
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  /** Fields that the user may leave out but that every stored object has (so not optional in the types). */
  readonly 'x-orc-always'?: readonly string[];
  /** The schema whose fields this one repeats: its type extends that one's. */
  readonly 'x-orc-extends'?: Schema;
  /** Fields, and for strings values, that a later version brings: refused by name until then. */
  readonly 'x-orc-later'?: Readonly<Record<string, string>>;
  /** What others call a field: word to the name here. */
  readonly 'x-orc-instead'?: Readonly<Record<string, string>>;
  /** What is expected, in words, where the keywords cannot say it. */
  readonly 'x-orc-expect'?: string;
}

type Extra = Omit<Partial<Schema>, 'type' | 'description'>;

export const str = (description: string, extra: Extra = {}): Schema => ({
  type: 'string',
  description,
  ...extra,
});
export const int = (description: string, minimum: number, maximum: number, extra: Extra = {}): Schema => ({
  type: 'integer',
  description,
  minimum,
  maximum,
  ...extra,
});
export const num = (description: string, extra: Extra = {}): Schema => ({
  type: 'number',
  description,
  ...extra,
});
export const bool = (description: string, extra: Extra = {}): Schema => ({
  type: 'boolean',
  description,
  ...extra,
});
export const oneOf = (description: string, values: readonly string[], extra: Extra = {}): Schema => ({
  type: 'string',
  description,
  enum: values,
  ...extra,
});
/** An object with the fields `properties`, and no others. */
export const obj = (
  description: string,
  properties: Readonly<Record<string, Schema>>,
  extra: Extra = {},
): Schema => ({ type: 'object', description, properties, ...extra });
/** A map from any key to `values`. */
export const mapOf = (description: string, values: Schema, extra: Extra = {}): Schema => ({
  type: 'object',
  description,
  additionalProperties: values,
  ...extra,
});
/** A list that has one owner as a whole. */
export const list = (description: string, items: Schema, extra: Extra = {}): Schema => ({
  type: 'array',
  description,
  items,
  'x-kubernetes-list-type': 'atomic',
  ...extra,
});
/** A list without duplicates, each item of which may have its own owner. */
export const setOf = (description: string, items: Schema, extra: Extra = {}): Schema =>
  list(description, items, { 'x-kubernetes-list-type': 'set', ...extra });
/** A list of objects told apart by `keys`. */
export const listBy = (
  keys: readonly string[],
  description: string,
  items: Schema,
  extra: Extra = {},
): Schema =>
  list(description, items, {
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': keys,
    ...extra,
  });
export const strings = (description: string, extra: Extra = {}): Schema =>
  list(description, str('One value.'), extra);
export const stringMap = (description: string, extra: Extra = {}): Schema =>
  mapOf(description, str('A value.'), extra);
/** A field of any JSON. */
export const anything = (description: string): Schema => ({
  type: 'object',
  description,
  'x-kubernetes-preserve-unknown-fields': true,
});
