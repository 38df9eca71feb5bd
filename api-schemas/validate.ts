/** Says everything that is wrong with an object: structure, unknown fields, and rules between fields. */
import type { Cause } from '../kit/errors.ts';
import { type AnyKindDef, kindByName, kinds } from './kinds.ts';
import { validateMetadata } from './metadata/validate.ts';
import type { PathSegment } from './path.ts';
import * as problem from './problems.ts';
import { structureProblems } from './structure.ts';
import type { AnyObj } from './types.ts';
import { excess, isLater, isObject, type Json, type Stray, strayFields } from './walk.ts';

/** The kind of an object, or what is wrong with its kind or apiVersion. */
export function kindOf(
  object: unknown,
): { readonly def: AnyKindDef } | { readonly causes: readonly Cause[] } {
  if (!isObject(object)) return { causes: [problem.typeInvalid('', object, 'must be an object')] };
  const { kind, apiVersion } = object;
  if (typeof kind !== 'string' || kind === '') {
    return { causes: [problem.required('kind', `one of ${kinds.map((def) => def.kind).join(', ')}`)] };
  }
  const def = kindByName(kind);
  if (def === undefined) {
    return {
      causes: [
        problem.notSupported(
          'kind',
          kind,
          kinds.map((known) => known.kind),
        ),
      ],
    };
  }
  if (apiVersion === undefined)
    return { causes: [problem.required('apiVersion', `\`${def.apiVersion}\` for ${kind}`)] };
  if (apiVersion !== def.apiVersion) {
    return {
      causes: [problem.notSupported('apiVersion', apiVersion, [def.apiVersion])],
    };
  }
  return { def };
}

function strayCause({ path, key, schema }: Stray): Cause {
  const camel = key.replace(/[_-]+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const words = schema['x-orc-instead'] ?? {};
  const known = Object.keys(schema.properties ?? {});
  const near = known.includes(camel) ? camel : problem.closest(key, [...known, ...Object.keys(words)]);
  const meant = Object.hasOwn(words, camel)
    ? words[camel]
    : near !== undefined && Object.hasOwn(words, near)
      ? words[near]
      : near;
  const hint = meant === undefined || meant === key ? '' : `; did you mean "${meant}"?`;
  return { reason: 'FieldValueInvalid', field: path, message: `unknown field "${path}"${hint}` };
}

/** What the schema of the object's kind does not name; nothing when the kind itself is unknown. */
export function unknownFields(object: unknown): readonly Cause[] {
  const kind = kindOf(object);
  if (!('def' in kind) || excess(object) !== undefined) return [];
  return strayFields(object, kind.def.schema)
    .filter((stray) => !isLater(stray))
    .map(strayCause);
}

/** A copy without the fields at `paths`; a list keeps its length, with holes of undefined. */
function without(value: unknown, paths: readonly (readonly PathSegment[])[]): unknown {
  if (paths.some((path) => path.length === 0)) return undefined;
  if (paths.length === 0 || typeof value !== 'object' || value === null) return value;
  const below = (key: PathSegment): readonly (readonly PathSegment[])[] =>
    paths.filter((path) => path[0] === key).map((path) => path.slice(1));
  if (Array.isArray(value)) return value.map((item, index) => without(item, below(index)));
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, child]) => [key, without(child, below(key))] as const)
      .filter(([, child]) => child !== undefined),
  );
}

/**
 * Everything that is wrong with an object; empty when it can be stored. Never throws and never changes it.
 * Fields that a later version brings are refused as `not supported yet`.
 */
export function validate(object: unknown): readonly Cause[] {
  const tooMuch = excess(object);
  if (tooMuch !== undefined) return [{ reason: 'FieldValueTooLong', message: `object is ${tooMuch}` }];
  const kind = kindOf(object);
  if ('causes' in kind) return kind.causes;
  const { def } = kind;
  const strays = strayFields(object, def.schema).map((stray) =>
    isLater(stray)
      ? problem.notYet(stray.path, stray.schema['x-orc-later']?.[stray.key] ?? '')
      : strayCause(stray),
  );
  const structure = structureProblems(object, def.schema);
  const sound = without(
    object,
    structure.flatMap(({ at }) => (at === undefined ? [] : [at])),
  );
  const rules = isObject(sound) ? rulesOf(def, sound) : [];
  return [...strays, ...structure.map(({ cause }) => cause), ...rules];
}

function rulesOf(def: AnyKindDef, sound: Json): readonly Cause[] {
  const metadata = sound['metadata'];
  return [
    ...(isObject(metadata) ? validateMetadata(metadata, def) : []),
    ...(def.validate?.(sound as unknown as AnyObj) ?? []),
  ];
}

/** A copy without unknown fields; the object itself when it has none. What a later version brings stays, to be refused. */
export function pruneUnknown<T>(object: T): T {
  const kind = kindOf(object);
  if (!('def' in kind) || excess(object) !== undefined) return object;
  const unknown = strayFields(object, kind.def.schema).filter((stray) => !isLater(stray));
  return unknown.length === 0
    ? object
    : (without(
        object,
        unknown.map(({ at }) => at),
      ) as T);
}
