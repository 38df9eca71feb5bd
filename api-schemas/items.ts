import type { Cause } from '../kit/errors.ts';
import { joinPath } from './path.ts';
import * as problem from './problems.ts';

/** Calls `check` with each item that is there (an item with a wrong structure is not) and its path. */
export const each = <T>(
  items: readonly T[] | undefined,
  field: string,
  check: (item: T, at: string) => void,
): void =>
  items?.forEach((item, index) => {
    if (item !== undefined && item !== null) check(item, joinPath(field, index));
  });

/** One cause for each item whose key an earlier one has. */
export function duplicates<T>(
  items: readonly T[] | undefined,
  field: string,
  keyOf: (item: T) => string | undefined,
  why = '',
): readonly Cause[] {
  const seen = new Set<string>();
  const causes: Cause[] = [];
  each(items, field, (item, at) => {
    const key = keyOf(item);
    if (key === undefined) return;
    if (seen.has(key)) causes.push(problem.duplicate(at, key, why));
    seen.add(key);
  });
  return causes;
}
