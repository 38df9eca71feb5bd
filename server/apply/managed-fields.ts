/**
 * `metadata.managedFields` to owners and back. An owner is a manager, its operation and subresource, and for
 * updates the API version; its identity is that, as JSON. Semantics: kubernetes/apimachinery,
 * `util/managedfields`.
 */
import type { ManagedFieldsEntry } from '../../api-schemas/index.ts';
import { byElement, emptyFieldSet, FieldSetBuilder, type FieldPath, type FieldSet } from './fieldset.ts';
import { canonical, isList, isObject, own, put, type Json, type JsonObject } from './value.ts';

export type Owner = Omit<ManagedFieldsEntry, 'fieldsType' | 'fieldsV1'>;

export interface Managed {
  readonly sets: ReadonlyMap<string, FieldSet>;
  readonly owners: ReadonlyMap<string, Owner>;
}

export const nobody: Managed = { sets: new Map(), owners: new Map() };

/** Apply owners keep their identity when the API version changes; update owners do not. */
export function identityOf(owner: Owner): string {
  const { manager, operation, apiVersion, subresource = '' } = owner;
  return JSON.stringify([manager, operation, operation === 'Apply' ? '' : apiVersion, subresource]);
}

/** Undefined when an entry cannot be read. */
export function decodeManaged(entries: Json | undefined): Managed | undefined {
  if (entries === undefined || entries === null) return nobody;
  if (!isList(entries)) return undefined;
  const sets = new Map<string, FieldSet>();
  const owners = new Map<string, Owner>();
  for (const entry of entries) {
    const owner = decodeOwner(entry);
    const fields = isObject(entry) ? (own(entry, 'fieldsV1') ?? {}) : {};
    const set = isObject(fields) ? decodeSet(fields) : undefined;
    if (owner === undefined || set === undefined) return undefined;
    const identity = identityOf(owner);
    sets.set(identity, set);
    owners.set(identity, owner);
  }
  return { sets, owners };
}

function decodeOwner(entry: Json): Owner | undefined {
  if (!isObject(entry)) return undefined;
  const text = (key: string): string => {
    const value = own(entry, key);
    return typeof value === 'string' ? value : '';
  };
  const operation = text('operation');
  if (operation !== 'Apply' && operation !== 'Update') return undefined;
  if (text('apiVersion') === '' || text('fieldsType') !== 'FieldsV1') return undefined;
  return {
    manager: text('manager'),
    operation,
    apiVersion: text('apiVersion'),
    ...(text('time') === '' ? {} : { time: text('time') }),
    ...(text('subresource') === '' ? {} : { subresource: text('subresource') }),
  };
}

/** Reads a FieldsV1 tree; undefined when a key is none of `.`, `f:`, `k:`, `v:`, `i:`. */
export function decodeSet(fields: JsonObject): FieldSet | undefined {
  const builder = new FieldSetBuilder();
  return decodeInto(fields, [], builder) ? builder.build() : undefined;
}

function decodeInto(fields: JsonObject, path: FieldPath, builder: FieldSetBuilder): boolean {
  for (const key of Object.keys(fields)) {
    const child = own(fields, key);
    if (key === '.') {
      builder.add(path);
      continue;
    }
    const element = decodeElement(key);
    if (element === undefined || !isObject(child)) return false;
    const childPath = [...path, element];
    if (Object.keys(child).length === 0) builder.add(childPath);
    else if (!decodeInto(child, childPath, builder)) return false;
  }
  return true;
}

function decodeElement(key: string): string | undefined {
  const rest = key.slice(2);
  switch (key.slice(0, 2)) {
    case 'f:':
      return key;
    case 'i:':
      return /^\d+$/.test(rest) ? key : undefined;
    case 'k:':
    case 'v:':
      try {
        const value = JSON.parse(rest) as Json;
        if (key.startsWith('k:') && !isObject(value)) return undefined;
        return `${key.slice(0, 2)}${canonical(value)}`;
      } catch {
        return undefined;
      }
    default:
      return undefined;
  }
}

/** The FieldsV1 tree of a set. */
export function encodeSet(set: FieldSet): JsonObject {
  const out: Record<string, Json> = {};
  for (const element of [...new Set([...set.members, ...set.children.keys()])].sort(byElement)) {
    const child = encodeSet(set.children.get(element) ?? emptyFieldSet);
    const both = set.members.has(element) && Object.keys(child).length > 0;
    put(out, element, both ? { '.': {}, ...child } : child);
  }
  return out;
}

/** Apply before Update, then by time, manager, API version and subresource. */
export function encodeManaged(managed: Managed): readonly ManagedFieldsEntry[] {
  const entries: ManagedFieldsEntry[] = [];
  for (const [identity, set] of managed.sets) {
    const owner = managed.owners.get(identity);
    if (owner === undefined) continue;
    const { manager, operation, apiVersion, time, subresource } = owner;
    entries.push({
      manager,
      operation,
      apiVersion,
      ...(time === undefined ? {} : { time }),
      fieldsType: 'FieldsV1',
      fieldsV1: encodeSet(set),
      ...(subresource === undefined ? {} : { subresource }),
    });
  }
  const keys = (entry: ManagedFieldsEntry): readonly string[] => [
    entry.operation,
    entry.time ?? '',
    entry.manager,
    entry.apiVersion,
    entry.subresource ?? '',
  ];
  return entries.sort((a, b) => compareKeys(keys(a), keys(b)));
}

function compareKeys(a: readonly string[], b: readonly string[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index] ?? '';
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
