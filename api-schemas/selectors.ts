/** Label and field selectors, with Kubernetes' syntax and error text. */
import { isQualifiedName } from './metadata/validate.ts';
import type { KindDef } from './kind.ts';
import type { Obj } from './types.ts';

export type LabelOperator = 'in' | 'notin' | 'exists' | '!exists';

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  /** Sorted; of `in` and `notin` only. `a=b` is `a in (b)`. */
  readonly values: readonly string[];
}

/** A selector that does not parse; the message is Kubernetes'. */
export class SelectorError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SelectorError';
  }
}

const labelValue = /^([A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?)?$/;
const maxSelector = 16 * 1024;

/** Splits at commas outside parentheses. */
function terms(text: string): readonly string[] {
  const found: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === ',' && depth === 0) {
      found.push(text.slice(start, i));
      start = i + 1;
    }
  }
  found.push(text.slice(start));
  return found;
}

function labelRequirement(term: string): LabelRequirement {
  const bad = (why: string): never => {
    throw new SelectorError(`unable to parse requirement: ${why}`);
  };
  const checked = (
    key: string | undefined,
    operator: LabelOperator,
    values: readonly string[],
  ): LabelRequirement => {
    const name = key ?? '';
    if (!isQualifiedName(name))
      return bad(
        `<nil>: Invalid value: ${JSON.stringify(name)}: name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
      );
    for (const value of values)
      if (!labelValue.test(value))
        return bad(
          `values[0][${name}]: Invalid value: ${JSON.stringify(value)}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`,
        );
    return { key: name, operator, values: [...new Set(values)].sort() };
  };

  const absent = /^!\s*([^\s!=,()]+)$/.exec(term);
  if (absent !== null) return checked(absent[1], '!exists', []);
  const present = /^[^\s!=,()<>]+$/.exec(term);
  if (present !== null) return checked(term, 'exists', []);
  const set = /^([^\s!=,()]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(term);
  if (set !== null) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim());
    return checked(set[1], set[2] === 'in' ? 'in' : 'notin', values);
  }
  const equal = /^([^\s!=,()]+)\s*(==|=|!=)\s*([^\s!=,()]*)$/.exec(term);
  if (equal !== null) return checked(equal[1], equal[2] === '!=' ? 'notin' : 'in', [equal[3] ?? '']);
  return bad(`found '${term}', expected: ',' or 'end of string'`);
}

/** Parses `a=b,c!=d,e in (x,y),f notin (z),g,!h`; empty selects all. Throws SelectorError. */
export function parseLabelSelector(text: string): readonly LabelRequirement[] {
  if (text.length > maxSelector) throw new SelectorError(`selector is longer than ${maxSelector} characters`);
  if (text.trim() === '') return [];
  return terms(text).map((term) => labelRequirement(term.trim()));
}

/** Whether labels satisfy all requirements. An absent label satisfies `notin` (and `!=`). */
export function matchesLabels(
  requirements: readonly LabelRequirement[],
  labels: Readonly<Record<string, string>> = {},
): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    switch (operator) {
      case 'in':
        return value !== undefined && values.includes(value);
      case 'notin':
        return value === undefined || !values.includes(value);
      case 'exists':
        return value !== undefined;
      case '!exists':
        return value === undefined;
    }
  });
}

/** The selector as text that `parseLabelSelector` reads back. */
export const formatLabelSelector = (requirements: readonly LabelRequirement[]): string =>
  requirements
    .map(({ key, operator, values }) => {
      switch (operator) {
        case 'in':
          return values.length === 1 ? `${key}=${values[0] ?? ''}` : `${key} in (${values.join(',')})`;
        case 'notin':
          return values.length === 1 ? `${key}!=${values[0] ?? ''}` : `${key} notin (${values.join(',')})`;
        case 'exists':
          return key;
        case '!exists':
          return `!${key}`;
      }
    })
    .join(',');

export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

/**
 * Parses `metadata.name=web,status.state!=Running` (`\,` `\=` `\\` escape); empty selects all.
 * With `def`, a field that the kind cannot be selected by is an error. Throws SelectorError.
 */
export function parseFieldSelector(
  text: string,
  def?: Pick<KindDef, 'selectableFields' | 'namespaced'>,
): readonly FieldRequirement[] {
  if (text.length > maxSelector) throw new SelectorError(`selector is longer than ${maxSelector} characters`);
  const known = def && [
    'metadata.name',
    ...(def.namespaced ? ['metadata.namespace'] : []),
    ...def.selectableFields,
  ];
  return text
    .split(/(?<!\\)(?:\\\\)*,/)
    .filter((term) => term.trim() !== '')
    .map((term) => {
      const match = /^\s*([^=!]+?)\s*(!=|==|=)\s*(.*?)\s*$/s.exec(term);
      if (match === null) {
        throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
      }
      const field = match[1] ?? '';
      if (known !== undefined && !known.includes(field)) {
        throw new SelectorError(`field label not supported: ${field}`);
      }
      const value = (match[3] ?? '').replace(/\\([\\,=])/g, '$1');
      return { field, operator: match[2] === '!=' ? '!=' : '=', value };
    });
}

/** The text of a dotted field; empty when it is not there. An event's `source` is its component. */
export function fieldText(object: Obj, field: string): string {
  let value: unknown = object;
  for (const part of field.split('.')) {
    value =
      typeof value === 'object' && value !== null && Object.hasOwn(value, part)
        ? (value as Readonly<Record<string, unknown>>)[part]
        : undefined;
  }
  if (field === 'source' && typeof value === 'object' && value !== null && 'component' in value)
    value = value.component;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? String(value)
    : '';
}

/** Whether an object satisfies all requirements. An absent field is the empty string. */
export const matchesFields = (requirements: readonly FieldRequirement[], object: Obj): boolean =>
  requirements.every(
    ({ field, operator, value }) => (fieldText(object, field) === value) === (operator === '='),
  );
