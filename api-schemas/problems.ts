/** Causes of invalid objects, worded as Kubernetes words them. */
import { distance } from 'fastest-levenshtein';
import type { Cause } from '../kit/errors.ts';

const show = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 120 ? `${text.slice(0, 117)}...` : text;
};

export const required = (field: string, why = ''): Cause => ({
  reason: 'FieldValueRequired',
  field,
  message: `Required value${why === '' ? '' : `: ${why}`}`,
});
export const invalid = (field: string, value: unknown, why: string): Cause => ({
  reason: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${show(value)}: ${why}`,
});
export const typeInvalid = (field: string, value: unknown, why: string): Cause => ({
  reason: 'FieldValueTypeInvalid',
  field,
  message: `Invalid value: ${show(value)}: ${why}`,
});
export const forbidden = (field: string, why: string): Cause => ({
  reason: 'FieldValueForbidden',
  field,
  message: `Forbidden: ${why}`,
});
export const duplicate = (field: string, value: unknown, why = ''): Cause => ({
  reason: 'FieldValueDuplicate',
  field,
  message: `Duplicate value: ${show(value)}${why === '' ? '' : `: ${why}`}`,
});
export const notSupported = (
  field: string,
  value: unknown,
  supported: readonly (string | number)[],
): Cause => ({
  reason: 'FieldValueNotSupported',
  field,
  message: `Unsupported value: ${show(value)}: supported values: ${supported.map(show).join(', ')}${suggestion(String(value), supported.map(String))}`,
});

/** What a later version brings: refused, never ignored. */
export const notYet = (field: string, what: string): Cause => forbidden(field, `not supported yet: ${what}`);

const flat = (word: string): string => word.toLowerCase().replace(/[^a-z0-9]/g, '');

/** The one of `words` that `word` was likely meant to be. */
export function closest(word: string, words: readonly string[]): string | undefined {
  const wanted = flat(word.slice(0, 64));
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of words) {
    const apart = distance(wanted, flat(candidate));
    if (apart < bestDistance) [best, bestDistance] = [candidate, apart];
  }
  return best;
}

/** `; did you mean "…"?`, or nothing. */
export function suggestion(word: string, words: readonly string[]): string {
  const best = closest(word, words);
  return best === undefined || best === word ? '' : `; did you mean ${JSON.stringify(best)}?`;
}
