/** Field selectors: `metadata.name=x,status.phase!=y` over the fields that a kind lets be selected by. */
import type { Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import { ApiError } from '../../kit/errors.ts';
import { isObject, own, type Json } from '../apply/value.ts';

export interface FieldSelector {
  matches(object: Obj): boolean;
  /** The one name that can match, when the selector asks for one. */
  readonly name: string | undefined;
  readonly namespace: string | undefined;
}

/** Kubernetes' names of fields that are elsewhere in the object. */
const aliases: Readonly<Record<string, string>> = { source: 'source.component' };

/** Undefined when the selector is empty. Throws 400. */
export function parseFieldSelector(def: AnyKindDef, text: string | null): FieldSelector | undefined {
  if (text === null || text === '') return undefined;
  const terms = split(text).map((term) => parseTerm(def, term));
  const exact = (field: string): string | undefined =>
    terms.find((term) => term.field === field && !term.not)?.value;
  return {
    name: exact('metadata.name'),
    namespace: exact('metadata.namespace'),
    matches: (object) => terms.every(({ field, value, not }) => (valueAt(object, field) === value) !== not),
  };
}

interface Term {
  readonly field: string;
  readonly value: string;
  readonly not: boolean;
}

/** Splits at commas that no backslash precedes. */
const split = (text: string): readonly string[] => text.match(/(?:\\.|[^,\\])+/g) ?? [];

function parseTerm(def: AnyKindDef, term: string): Term {
  const parsed = /^([^=!]+)(==|!=|=)(.*)$/s.exec(term);
  if (parsed === null) {
    throw new ApiError(400, `invalid selector: ${JSON.stringify(term.slice(0, 200))}; can't understand it`);
  }
  const [, field = '', operator = '', raw = ''] = parsed;
  const known = ['metadata.name', 'metadata.namespace', ...def.selectableFields];
  if (!known.includes(field)) throw new ApiError(400, `field label not supported: ${field}`);
  return { field, value: raw.replace(/\\(.)/g, '$1'), not: operator === '!=' };
}

function valueAt(object: Obj, field: string): string {
  let value: Json | undefined = object as unknown as Json;
  for (const key of (aliases[field] ?? field).split('.'))
    value = isObject(value) ? own(value, key) : undefined;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}
