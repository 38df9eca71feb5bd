/** What ajv finds wrong with an object, in words. A schema is compiled when the first object of its kind comes. */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv';
import type { Cause } from '../kit/errors.ts';
import type { Schema } from './dialect.ts';
import { formats } from './formats.ts';
import { formatPath, joinPath, type PathSegment } from './path.ts';
import * as problem from './problems.ts';
import { fieldSchema, isObject, schemaOf } from './walk.ts';

const assertions = [
  'type',
  'required',
  'enum',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'maxProperties',
  'nullable',
  'format',
] as const;

/**
 * The schema with what ajv asserts and nothing else: words stay out of the compiled code. What has a title is
 * compiled once, however many kinds have it; what repeats another schema refers to that one.
 */
function bare(schema: Schema, compiler: Ajv, inline = false): Record<string, unknown> {
  if (schema.title !== undefined && !inline) {
    if (compiler.schemas[schema.title] === undefined)
      compiler.addSchema(bareHere(schema, compiler, false), schema.title);
    return { $ref: schema.title };
  }
  return bareHere(schema, compiler, inline);
}

function bareHere(schema: Schema, compiler: Ajv, inline: boolean): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const key of assertions) if (schema[key] !== undefined) kept[key] = schema[key];
  const below = (child: Schema): Record<string, unknown> => bare(child, compiler, inline);
  const base = inline ? undefined : schema['x-orc-extends'];
  if (schema.properties !== undefined) {
    const own = Object.entries(schema.properties).filter(([key]) => base?.properties?.[key] === undefined);
    kept['properties'] = Object.fromEntries(own.map(([key, child]) => [key, below(child)]));
  }
  if (schema.additionalProperties !== undefined)
    kept['additionalProperties'] = below(schema.additionalProperties);
  if (schema.items !== undefined) kept['items'] = below(schema.items);
  // The alternatives' own problems are told apart by their path, which a reference would hide.
  if (schema.anyOf !== undefined) kept['anyOf'] = schema.anyOf.map((child) => bare(child, compiler, true));
  if (base === undefined) return kept;
  const { required: _, type: __, ...rest } = kept;
  const required = schema.required?.filter((key) => !base.required?.includes(key)) ?? [];
  return {
    allOf: [bare(base, compiler), { ...rest, type: 'object', ...(required.length > 0 ? { required } : {}) }],
  };
}

let ajv: Ajv | undefined;
const compiled = new WeakMap<Schema, ValidateFunction>();

function validatorOf(schema: Schema): ValidateFunction {
  const known = compiled.get(schema);
  if (known !== undefined) return known;
  ajv ??= new Ajv({
    strict: true,
    allErrors: true,
    verbose: false,
    messages: false,
    inlineRefs: false,
    formats: Object.fromEntries(
      Object.entries(formats).map(([name, check]) => [name, (value: string) => check(value) === undefined]),
    ),
  });
  const validator = ajv.compile(bareHere(schema, ajv, false));
  compiled.set(schema, validator);
  return validator;
}

const article: Readonly<Record<string, string>> = {
  object: 'an object',
  array: 'a list',
  string: 'a string',
  integer: 'a whole number',
  number: 'a number',
  boolean: '`true` or `false`',
};

function wrongType(schema: Schema, value: unknown): string {
  const expected =
    schema['x-orc-expect'] ?? `must be ${article[schema.type ?? 'object'] ?? 'something else'}`;
  if (value === null) return `${expected}; it is empty: give it a value or leave it out`;
  if (schema.type === 'string' && (typeof value === 'number' || typeof value === 'boolean'))
    return `${expected}; put it in quotes: "${String(value)}"`;
  if (
    (schema.type === 'integer' || schema.type === 'number') &&
    typeof value === 'string' &&
    /^-?\d+(\.\d+)?$/.test(value)
  )
    return `${expected}, without quotes`;
  if (schema.type === 'array' && !Array.isArray(value))
    return `${expected}: one \`- item\` a line, or [a, b]`;
  return expected;
}

const range = ({ minimum, maximum = Number.MAX_SAFE_INTEGER }: Schema): string =>
  maximum === Number.MAX_SAFE_INTEGER
    ? `must be at least ${minimum ?? 0}`
    : `must be between ${minimum ?? 0} and ${maximum}`;

/** The first sentence of the description. */
const gist = (schema: Schema | undefined): string => (schema?.description ?? '').replace(/\.(\s.*)?$/s, '');

function causeOf(error: ErrorObject, path: string, schema: Schema, value: unknown): Cause | undefined {
  switch (error.keyword) {
    case 'required': {
      const { missingProperty } = error.params as { missingProperty: string };
      return problem.required(joinPath(path, missingProperty), gist(fieldSchema(schema, missingProperty)));
    }
    case 'type':
      return problem.typeInvalid(path, value, wrongType(schema, value));
    case 'enum': {
      const later = schema['x-orc-later'];
      if (typeof value === 'string' && later !== undefined && Object.hasOwn(later, value))
        return problem.notYet(path, `${JSON.stringify(value)}: ${later[value] ?? ''}`);
      return problem.notSupported(path, value, schema.enum ?? []);
    }
    case 'format': {
      const why = schema.format === undefined ? undefined : formats[schema.format](String(value));
      return why?.startsWith('not supported yet') === true
        ? problem.forbidden(path, why)
        : problem.invalid(path, value, why ?? `must be ${schema.format ?? 'different'}`);
    }
    case 'minimum':
    case 'maximum':
      return problem.invalid(path, value, range(schema));
    case 'minLength':
      return problem.invalid(path, value, 'must not be empty');
    case 'maxLength':
      return problem.invalid(path, value, `must have at most ${schema.maxLength ?? 0} characters`);
    case 'minItems':
      return problem.invalid(path, value, `must have at least ${schema.minItems ?? 0} items`);
    case 'maxItems':
      return problem.invalid(path, '…', `must have at most ${schema.maxItems ?? 0} items`);
    case 'maxProperties':
      return problem.invalid(path, '…', `must have at most ${schema.maxProperties ?? 0} entries`);
    case 'anyOf':
      return problem.typeInvalid(path, value, schema['x-orc-expect'] ?? 'must be of another form');
    default:
      return problem.invalid(path, value, `breaks the rule ${error.keyword}`);
  }
}

export interface StructureProblem {
  readonly cause: Cause;
  /** Of the wrong value; absent where a field is missing. */
  readonly at?: readonly PathSegment[];
}

/** What breaks the schema, each with where. Unknown fields are not looked at. */
export function structureProblems(object: unknown, schema: Schema): readonly StructureProblem[] {
  const validator = validatorOf(schema);
  if (validator(object)) return [];
  const found: StructureProblem[] = [];
  const seen = new Set<string>();
  // The keywords of `anyOf` branches say less than `anyOf` itself.
  for (const error of validator.errors ?? []) {
    if (error.schemaPath.includes('/anyOf/')) continue;
    // A schema that extends another says of a wrong type twice that it is wrong.
    const once = `${error.instancePath} ${error.keyword} ${JSON.stringify(error.params)}`;
    if (seen.has(once)) continue;
    seen.add(once);
    const at: PathSegment[] = [];
    let here: Schema | undefined = schema;
    let value: unknown = object;
    for (const raw of error.instancePath.split('/').slice(1)) {
      const key = raw.replace(/~1/g, '/').replace(/~0/g, '~');
      const inside: Schema | undefined = here === undefined ? undefined : (schemaOf(here, value) ?? here);
      if (Array.isArray(value)) {
        at.push(Number(key));
        here = inside?.items;
        value = (value as readonly unknown[])[Number(key)];
      } else {
        at.push(key);
        here = inside === undefined ? undefined : fieldSchema(inside, key);
        value = isObject(value) ? value[key] : undefined;
      }
    }
    if (here === undefined) continue;
    const cause = causeOf(error, formatPath(at), here, value);
    if (cause !== undefined) found.push(error.keyword === 'required' ? { cause } : { cause, at });
  }
  return found;
}
