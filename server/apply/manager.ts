/**
 * Keeps `metadata.managedFields` true through every write: create, update, patch and apply.
 *
 * - What identifies an object is owned by nobody.
 * - An entry's time moves only when its operation changed something.
 * - Objects that nobody tracks yet (made before their kind was tracked) start to be tracked with the first apply; what they
 *   hold then belongs to `before-first-apply`.
 * - Of more than ten update managers the oldest are merged into `ancient-changes`.
 */
import { ApiError } from '../../kit/errors.ts';
import { conflictError } from './conflict.ts';
import { TypeProblem } from './elements.ts';
import { difference, fieldSetOf, isEmpty, pathsOf, sameSet, union, type FieldSet } from './fieldset.ts';
import { fieldsLastApplied, refreshLastApplied } from './last-applied.ts';
import {
  decodeManaged,
  encodeManaged,
  identityOf,
  nobody,
  type Managed,
  type Owner,
} from './managed-fields.ts';
import type { FieldType } from './schema.ts';
import { apply, update } from './updater.ts';
import { equal, isList, isObject, own, type Json, type JsonObject } from './value.ts';

export interface WriteBy {
  readonly manager: string;
  readonly apiVersion: string;
  /** `status`, `scale`; absent for the object itself. */
  readonly subresource?: string;
  readonly type: FieldType;
  /** What this request may not own. */
  readonly ignored?: FieldSet;
  /** RFC 3339, in seconds. */
  readonly now: string;
}

const maxUpdateManagers = 10;
const f = (...names: readonly string[]): readonly string[] => names.map((name) => `f:${name}`);
const identity = fieldSetOf([
  f('apiVersion'),
  f('kind'),
  f('metadata'),
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => f('metadata', name)),
]);

/** `object`, about to replace `live` (absent: created), with its managers. */
export function trackUpdate(live: JsonObject | undefined, object: JsonObject, by: WriteBy): JsonObject {
  const before = managersBefore(live, object, by);
  if (live !== undefined && before.sets.size === 0) return withManagers(object, nobody);
  const owner = ownerOf(by, 'Update');
  const self = 'current-operation';
  const { owners } = update(bare(live ?? typeOnly(object)), bare(object), before.sets, self, by);
  const sets = new Map(owners);
  const all = new Map(before.owners);
  const taken = stripped(sets.get(self));
  sets.delete(self);
  if (taken !== undefined) {
    const id = identityOf(owner);
    const previous = sets.get(id);
    sets.set(id, previous === undefined ? taken : union(taken, previous));
    all.set(id, owner);
  }
  return withManagers(object, capped({ sets, owners: all }));
}

/**
 * Merges the applied `config` into `live` (absent: it is created). Throws ApiError 409 naming the managers
 * whose fields it would change, 422 for items that cannot be told apart.
 */
export function trackApply(
  live: JsonObject | undefined,
  config: JsonObject,
  by: WriteBy,
  force: boolean,
): JsonObject {
  const empty = typeOnly(config);
  const start = live ?? empty;
  const owner = ownerOf(by, 'Apply');
  const id = identityOf(owner);
  const before = trackedFrom(start, live === undefined, by);
  const attempt = (forced: boolean): ReturnType<typeof apply> => {
    try {
      return apply(bare(start), config, before.sets, id, forced, by);
    } catch (error) {
      if (error instanceof TypeProblem) throw invalidConfig(error);
      throw error;
    }
  };
  let outcome = attempt(force);
  if (outcome.kind === 'conflict') {
    const allowed = by.manager === 'kubectl' ? fieldsLastApplied(bare(start), by.type) : undefined;
    const left = [...outcome.conflicts].flatMap(([other, fields]) => {
      const rest = allowed === undefined ? fields : difference(fields, allowed);
      const who = before.owners.get(other);
      return isEmpty(rest) || who === undefined ? [] : [{ owner: who, fields: rest }];
    });
    if (left.length > 0) throw conflictError(left);
    outcome = attempt(true);
  }
  if (outcome.kind === 'conflict') throw new ApiError(500, 'a forced apply conflicted');

  const sets = new Map(outcome.owners);
  const mine = stripped(sets.get(id));
  sets.delete(id);
  const owners = new Map(before.owners);
  if (mine !== undefined) {
    sets.set(id, mine);
    const old = before.sets.get(id);
    const last = before.owners.get(id);
    const same = equal(outcome.object, bare(start)) && old !== undefined && sameSet(old, mine);
    owners.set(id, same && last?.apiVersion === by.apiVersion ? last : owner);
  }
  const merged = isObject(outcome.object) ? outcome.object : empty;
  const object = by.manager === 'kubectl' ? refreshLastApplied(merged, config) : merged;
  return withManagers(object, { sets, owners });
}

const ownerOf = (by: WriteBy, operation: Owner['operation']): Owner => ({
  manager: by.manager,
  operation,
  apiVersion: by.apiVersion,
  time: by.now,
  ...(by.subresource === undefined ? {} : { subresource: by.subresource }),
});

/** The managers an update starts from: those in the request when it may and does set them, else the live ones. */
function managersBefore(live: JsonObject | undefined, object: JsonObject, by: WriteBy): Managed {
  const stored = decodeManaged(managedFieldsOf(live)) ?? nobody;
  if (by.subresource !== undefined) return stored;
  const given = managedFieldsOf(object);
  if (isList(given) && given.every((entry) => isObject(entry) && Object.keys(entry).length === 0)) {
    if (given.length <= 1) return nobody;
  }
  const managed = decodeManaged(given);
  return managed === undefined || managed.sets.size === 0 ? stored : managed;
}

/** The live managers, or `before-first-apply` for all that an untracked object holds. */
function trackedFrom(start: JsonObject, created: boolean, by: WriteBy): Managed {
  const stored = decodeManaged(managedFieldsOf(start)) ?? nobody;
  if (created || stored.sets.size > 0) return stored;
  const first: WriteBy = { ...by, manager: 'before-first-apply' };
  const tracked = trackUpdate(undefined, withManagers(start, nobody), first);
  return decodeManaged(managedFieldsOf(tracked)) ?? nobody;
}

function stripped(set: FieldSet | undefined): FieldSet | undefined {
  if (set === undefined) return undefined;
  const rest = difference(set, identity);
  return isEmpty(rest) ? undefined : rest;
}

function capped(managed: Managed): Managed {
  const updates = [...managed.owners]
    .filter(([id, owner]) => owner.operation === 'Update' && managed.sets.has(id))
    .sort(([a, x], [b, y]) => cmp(x.time ?? '', y.time ?? '') || cmp(a, b));
  const excess = updates.length - maxUpdateManagers;
  if (excess <= 0) return managed;
  const sets = new Map(managed.sets);
  const owners = new Map(managed.owners);
  for (const [id, owner] of updates.slice(0, excess + 1)) {
    const bucket: Owner = {
      manager: 'ancient-changes',
      operation: 'Update',
      apiVersion: owner.apiVersion,
      ...(owner.time === undefined ? {} : { time: owner.time }),
    };
    const into = identityOf(bucket);
    const set = sets.get(id);
    sets.delete(id);
    if (set === undefined) continue;
    const already = sets.get(into);
    sets.set(into, already === undefined ? set : union(already, set));
    owners.set(into, bucket);
  }
  return { sets, owners };
}

const cmp = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function managedFieldsOf(object: JsonObject | undefined): Json | undefined {
  const metadata = object === undefined ? undefined : own(object, 'metadata');
  return isObject(metadata) ? own(metadata, 'managedFields') : undefined;
}

/** `object` without managedFields. */
function bare(object: JsonObject): JsonObject {
  const metadata = own(object, 'metadata');
  if (!isObject(metadata) || !Object.hasOwn(metadata, 'managedFields')) return object;
  const { managedFields: _managedFields, ...rest } = metadata;
  return { ...object, metadata: rest };
}

function withManagers(object: JsonObject, managed: Managed): JsonObject {
  const plain = bare(object);
  const metadata = own(plain, 'metadata');
  const entries = encodeManaged(managed) as unknown as Json;
  if (isList(entries) && entries.length === 0) return plain;
  return { ...plain, metadata: { ...(isObject(metadata) ? metadata : {}), managedFields: entries } };
}

const typeOnly = (object: JsonObject): JsonObject => ({
  apiVersion: own(object, 'apiVersion') ?? '',
  kind: own(object, 'kind') ?? '',
});

function invalidConfig(problem: TypeProblem): ApiError {
  return new ApiError(422, `the applied configuration is invalid: ${problem.message}`, {
    details: {
      causes: [
        { reason: 'FieldValueInvalid', message: problem.message, field: problem.path.replace(/^\./, '') },
      ],
    },
  });
}

/** Paths that `manager` owns, for tests and messages. */
export function ownedPaths(object: JsonObject, manager: string): readonly string[] {
  const managed = decodeManaged(managedFieldsOf(object)) ?? nobody;
  return [...managed.owners].flatMap(([id, owner]) => {
    const set = managed.sets.get(id);
    return owner.manager === manager && set !== undefined ? [...pathsOf(set)].map((p) => p.join('/')) : [];
  });
}
