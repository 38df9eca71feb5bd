/** Walks an object along its schema. */
import type { Schema } from './dialect.ts';
import { formatPath, type PathSegment } from './path.ts';

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const typeOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
};

/** The alternative of `anyOf` that has the type of `value`; the schema itself when it has no alternatives. */
export const schemaOf = (schema: Schema, value: unknown): Schema | undefined =>
  schema.anyOf === undefined ? schema : schema.anyOf.find(({ type }) => type === typeOf(value));

/** The schema of a field of an object, or undefined when there is no such field. */
export const fieldSchema = (schema: Schema, key: string): Schema | undefined =>
  schema.properties !== undefined && Object.hasOwn(schema.properties, key)
    ? schema.properties[key]
    : schema.additionalProperties;

/** A field that its schema does not name. */
export interface Stray {
  readonly at: readonly PathSegment[];
  readonly path: string;
  readonly key: string;
  readonly value: unknown;
  readonly schema: Schema;
}

/** Every field of `value` that its schema does not name, outermost first; what is below one is not visited. */
export function strayFields(value: unknown, schema: Schema): readonly Stray[] {
  const found: Stray[] = [];
  const visit = (current: unknown, declared: Schema, at: readonly PathSegment[]): void => {
    const here = schemaOf(declared, current);
    if (here === undefined || typeof current !== 'object' || current === null) return;
    if (Array.isArray(current)) {
      if (here.items === undefined) return;
      for (let i = 0; i < current.length; i++) visit(current[i], here.items, [...at, i]);
      return;
    }
    if (here.properties === undefined && here.additionalProperties === undefined) return;
    for (const [key, child] of Object.entries(current)) {
      const childSchema = fieldSchema(here, key);
      const below = [...at, key];
      if (childSchema !== undefined) visit(child, childSchema, below);
      else found.push({ at: below, path: formatPath(below), key, value: child, schema: here });
    }
  };
  visit(value, schema, []);
  return found;
}

/** Whether a later version brings the field, so that it must be refused and never pruned. */
export const isLater = ({ schema, key }: Stray): boolean => {
  const later = schema['x-orc-later'];
  return schema.properties !== undefined && later !== undefined && Object.hasOwn(later, key);
};

const maxDepth = 64;
const maxValues = 100_000;
/** As Kubernetes: etcd takes 1.5 MiB a request. */
const maxChars = 1024 * 1024;

/** Why an object is too deep or too large to look at, or undefined. Stops at the first excess. */
export function excess(value: unknown): string | undefined {
  let values = 0;
  let chars = 0;
  const stack: { value: unknown; depth: number }[] = [{ value, depth: 0 }];
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    if (item.depth > maxDepth) return `nested deeper than ${maxDepth} levels`;
    if (++values > maxValues) return `more than ${maxValues} values`;
    if (typeof item.value === 'string') chars += item.value.length;
    else if (typeof item.value === 'object' && item.value !== null) {
      const depth = item.depth + 1;
      if (Array.isArray(item.value)) {
        if (item.value.length > maxValues) return `more than ${maxValues} values`;
        for (const child of item.value) stack.push({ value: child, depth });
      } else
        for (const [key, child] of Object.entries(item.value)) {
          chars += key.length;
          stack.push({ value: child, depth });
        }
    }
    if (chars > maxChars) return `more than ${maxChars} characters of text`;
  }
  return undefined;
}
