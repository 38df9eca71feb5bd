/**
 * Who owns which field after an update or an apply. Pure: objects and owners in, objects and owners out.
 *
 * An update takes what it changes and never conflicts. An apply owns exactly what its configuration mentions;
 * what it owned before and no longer mentions is removed, unless another owner has it; changing what another
 * owns is a conflict, unless forced. Equal values are owned together. Semantics:
 * kubernetes-sigs/structured-merge-diff, `merge/update.go`; checked against it by `tests/oracle`.
 */
import { compare, ignoring, type Comparison } from './compare.ts';
import {
  difference,
  emptyFieldSet,
  intersection,
  isEmpty,
  recursiveDifference,
  union,
  withNamedFields,
  type FieldSet,
} from './fieldset.ts';
import { merge } from './merge.ts';
import { removeItems } from './remove.ts';
import type { FieldType } from './schema.ts';
import { toFieldSet } from './to-fieldset.ts';
import { equal, type Json } from './value.ts';

/** Owners by identity (see `managed-fields.ts`). */
export type Owners = ReadonlyMap<string, FieldSet>;

export interface Outcome {
  readonly object: Json;
  readonly owners: Owners;
}

export type ApplyOutcome =
  ({ readonly kind: 'applied' } & Outcome) | { readonly kind: 'conflict'; readonly conflicts: Owners };

export interface Options {
  readonly type: FieldType;
  /** Fields that this request may not own (`status` on the main resource, all else on the subresource). */
  readonly ignored?: FieldSet;
}

/** Takes ownership of what differs between `live` and `object` (already merged) for `owner`. */
export function update(
  live: Json,
  object: Json,
  owners: Owners,
  owner: string,
  { type, ignored = emptyFieldSet }: Options,
): Outcome {
  const changes = ignoring(compare(live, object, type), ignored);
  const next = new Map(give(changes, owners, owner));
  const mine = union(
    union(difference(next.get(owner) ?? emptyFieldSet, changes.removed), changes.modified),
    changes.added,
  );
  next.set(owner, recursiveDifference(mine, ignored));
  return { object, owners: withoutEmpty(next) };
}

/** Merges `config` into `live` for `owner`. `object` is the very `live` when nothing changed. Throws TypeProblem. */
export function apply(
  live: Json,
  config: Json,
  owners: Owners,
  owner: string,
  force: boolean,
  { type, ignored = emptyFieldSet }: Options,
): ApplyOutcome {
  const last = owners.get(owner);
  const mine = recursiveDifference(toFieldSet(config, type), ignored);
  const next = new Map(owners).set(owner, mine);
  const object = prune(merge(live, config, type), next, last, type);
  const changes = ignoring(compare(live, object, type), ignored);
  const conflicts = conflictsOf(changes, next, owner);
  if (!force && conflicts.size > 0) return { kind: 'conflict', conflicts };
  return {
    kind: 'applied',
    object: equal(live, object) ? live : object,
    owners: withoutEmpty(give(changes, next, owner)),
  };
}

/** What others own of the changed fields. */
function conflictsOf(changes: Comparison, owners: Owners, owner: string): Owners {
  const touched = union(changes.modified, changes.added);
  const found = new Map<string, FieldSet>();
  for (const [other, set] of owners) {
    if (other === owner) continue;
    const both = intersection(set, touched);
    if (!isEmpty(both)) found.set(other, both);
  }
  return found;
}

/** Takes the changed and removed fields from all but `owner`. */
function give(changes: Comparison, owners: Owners, owner: string): Owners {
  const taken = union(union(changes.modified, changes.added), changes.removed);
  return new Map(
    [...owners].map(([other, set]) => [other, other === owner ? set : difference(set, taken)] as const),
  );
}

const withoutEmpty = (owners: Owners): Owners => new Map([...owners].filter(([, set]) => !isEmpty(set)));

/** Removes what the owner applied last time (`last`) and nobody owns now. */
function prune(merged: Json, owners: Owners, last: FieldSet | undefined, type: FieldType): Json {
  if (last === undefined || isEmpty(last)) return merged;
  const named = (set: FieldSet): FieldSet => withNamedFields(set, type);
  const lastNamed = named(last);
  const all = named(toFieldSet(merged, type));
  const owned = [...owners.values()].reduce(union, emptyFieldSet);

  // Take out the last set; give back what someone owns; give back what was not in the last set.
  const bare = removeItems(merged, lastNamed, type);
  const kept = union(named(toFieldSet(bare, type)), named(owned));
  const withOwned = removeItems(merged, difference(all, kept), type);
  const rest = difference(all, named(toFieldSet(withOwned, type)));
  return removeItems(merged, intersection(rest, lastNamed), type);
}
