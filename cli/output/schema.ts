/** Fields of a schema as `orc explain` lists them. Pure. */
import type { Schema } from '../../api-schemas/dialect.ts';
import type { Palette } from './color.ts';
import { wrap } from './text.ts';

export interface FieldListOptions {
  readonly recursive: boolean;
  readonly columns: number;
  readonly palette: Palette;
}

/** `string`, `[]Port`, `map[string]string`, `integer or string`. */
export function typeOf(schema: Schema): string {
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(typeOf))].join(' or ');
  if (schema.type === 'array') return `[]${schema.items === undefined ? 'any' : typeOf(schema.items)}`;
  if (schema.additionalProperties !== undefined) return `map[string]${typeOf(schema.additionalProperties)}`;
  return schema.title ?? schema.type ?? 'any';
}

/** The object within lists, maps and alternatives, if there is one. */
function objectOf(schema: Schema): Schema | undefined {
  if (schema.properties !== undefined) return schema;
  const inner = schema.items ?? schema.additionalProperties;
  if (inner !== undefined) return objectOf(inner);
  return schema.anyOf?.map(objectOf).find((s) => s !== undefined);
}

const branchOf = (schema: Schema): Schema => schema.anyOf?.find((s) => s.properties !== undefined) ?? schema;

/** Names of the fields of an object, or of the objects in a list. */
export const fieldsOf = (schema: Schema): readonly string[] =>
  schema.items === undefined ? Object.keys(branchOf(schema).properties ?? {}) : fieldsOf(schema.items);

/** The field `step`, or the item of that number; lists, maps and alternatives are looked into. Undefined: none. */
export function childOf(schema: Schema, step: string): Schema | undefined {
  if (schema.items !== undefined) return /^\d+$/.test(step) ? schema.items : childOf(schema.items, step);
  const at = branchOf(schema);
  if (at['x-kubernetes-preserve-unknown-fields'] === true) return at;
  return (
    (Object.hasOwn(at.properties ?? {}, step) ? at.properties?.[step] : undefined) ?? at.additionalProperties
  );
}

/** One entry per field, sorted; with `recursive` only names and types, indented. */
export function fieldList(schema: Schema, options: FieldListOptions, depth = 1): string[] {
  const { recursive, columns, palette } = options;
  const indent = '  '.repeat(depth);
  const object = objectOf(schema);
  return Object.entries(object?.properties ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([name, field]) => {
      const required = object?.required?.includes(name) === true ? palette.yellow(' -required-') : '';
      const head = `${indent}${palette.cyan(name)}  <${typeOf(field)}>${required}`;
      if (recursive) return [head, ...(depth < 12 ? fieldList(field, options, depth + 1) : [])];
      return [head, ...wrap(field.description, columns - 8).map((line) => `${indent}  ${line}`), ''];
    });
}
