/** Columns that several kinds have. */
import type { Column } from './kind.ts';
import type { Condition, Obj } from './types.ts';
import { age } from './units.ts';

export const nameColumn: Column<Obj> = {
  name: 'Name',
  type: 'string',
  format: 'name',
  description: 'Unique within kind and namespace.',
  priority: 0,
  cell: (object) => object.metadata.name,
};

export const ageColumn: Column<Obj> = {
  name: 'Age',
  type: 'string',
  description: 'Time since the object was created.',
  priority: 0,
  cell: (object, now) => age(object.metadata.creationTimestamp, now),
};

/** A column of text; `-` for what is absent or empty. */
export const column = <T>(
  name: string,
  description: string,
  cell: (object: T, now: number) => string | undefined,
  priority: 0 | 1 = 0,
): Column<T> => ({
  name,
  type: 'string',
  description,
  priority,
  cell: (object, now) => cell(object, now) || '-',
});

export const conditionOf = (
  conditions: readonly Condition[] | undefined,
  type: string,
): Condition | undefined => conditions?.find((condition) => condition.type === type);

/** `True`, or the reason why not; `Unknown` before anyone has said. */
export function conditionText(conditions: readonly Condition[] | undefined, type: string): string {
  const condition = conditionOf(conditions, type);
  if (condition === undefined) return 'Unknown';
  return condition.status === 'True' || condition.reason === '' ? condition.status : condition.reason;
}

export const joined = (values: readonly string[] | undefined): string => (values ?? []).join(',');
