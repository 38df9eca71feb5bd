import type { Condition } from '../../api-schemas/index.ts';

export type NewCondition = Omit<Condition, 'lastTransitionTime'>;
type Conditions = readonly Condition[] | undefined;

export const findCondition = (conditions: Conditions, type: string): Condition | undefined =>
  conditions?.find((condition) => condition.type === type);

/** Whether the condition is there and `True`. */
export const isTrue = (conditions: Conditions, type: string): boolean =>
  findCondition(conditions, type)?.status === 'True';

/**
 * Returns the conditions with `next` in place of the one of its type. `lastTransitionTime` moves only when the
 * status does; the very same array comes back when nothing changed.
 */
export function setCondition(conditions: Conditions, next: NewCondition, now: string): readonly Condition[] {
  const old = findCondition(conditions, next.type);
  if (old === undefined) return [...(conditions ?? []), { ...next, lastTransitionTime: now }];
  const { lastTransitionTime } = old;
  if (
    old.status === next.status &&
    old.reason === next.reason &&
    old.message === next.message &&
    old.observedGeneration === next.observedGeneration
  ) {
    return conditions ?? [];
  }
  const merged = { ...next, lastTransitionTime: old.status === next.status ? lastTransitionTime : now };
  return (conditions ?? []).map((condition) => (condition.type === next.type ? merged : condition));
}

/** Sets each of `next`; conditions of other types, which others write, stay as they are. */
export const setConditions = (
  conditions: Conditions,
  next: readonly NewCondition[],
  now: string,
): readonly Condition[] =>
  next.reduce<readonly Condition[]>((all, one) => setCondition(all, one, now), conditions ?? []);

/** Returns the conditions without that type; the same array when it was not there. */
export const dropCondition = (conditions: Conditions, type: string): readonly Condition[] =>
  findCondition(conditions, type) === undefined
    ? (conditions ?? [])
    : (conditions ?? []).filter((condition) => condition.type !== type);
