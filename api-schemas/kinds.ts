/** The kinds orc knows. A new kind is a folder and a line here. */
import { clusterKind } from './cluster/index.ts';
import { endpointsKind } from './endpoints/index.ts';
import { eventKind } from './event/index.ts';
import type { KindDef } from './kind.ts';
import { leaseKind } from './lease/index.ts';
import { namespaceKind } from './namespace/index.ts';
import { networkKind } from './network/index.ts';
import { nodeKind } from './node/index.ts';
import { revisionKind } from './revision/index.ts';
import { serviceKind } from './service/index.ts';
import { stackKind } from './stack/index.ts';
import { taskKind } from './task/index.ts';
import type { KindName } from './types.ts';

const defs: { readonly [K in KindName]: KindDef<K> } = {
  Stack: stackKind,
  Service: serviceKind,
  Revision: revisionKind,
  Task: taskKind,
  Network: networkKind,
  Node: nodeKind,
  Endpoints: endpointsKind,
  Namespace: namespaceKind,
  Event: eventKind,
  Lease: leaseKind,
  Cluster: clusterKind,
};

/** A definition whose kind is not known at compile time; its functions take any object of that kind. */
export type AnyKindDef = KindDef;

// A function of one kind does not take an object of another; callers hand each only its own (looked up by kind).
export const kinds: readonly AnyKindDef[] = Object.values(defs) as unknown as readonly AnyKindDef[];

/** The kind of that exact name, in any spelling of the compiler's choice: typed when the name is a literal. */
export function kindByName<K extends KindName>(kind: K): KindDef<K>;
export function kindByName(kind: string): AnyKindDef | undefined;
export function kindByName(kind: string): unknown {
  return Object.hasOwn(defs, kind) ? defs[kind as KindName] : undefined;
}

/** The kind whose objects live under `/apis/<group>/…/<plural>`; group is empty for core. */
export const kindByPlural = (group: string, plural: string): AnyKindDef | undefined =>
  kinds.find((def) => def.group === group && def.plural === plural);

/**
 * The kind a person means: plural, singular, short name, kind, or `plural.group`, in any case.
 * A bare `service` is ours.
 */
export function resolveResource(word: string): AnyKindDef | undefined {
  const wanted = word.toLowerCase();
  return kinds.find((def) =>
    [
      def.plural,
      def.singular,
      ...def.shortNames,
      `${def.plural}.${def.group}`,
      `${def.singular}.${def.group}`,
      `${def.plural}.${def.version}.${def.group}`,
    ].includes(wanted),
  );
}

/** All words that `resolveResource` knows, for suggestions and completion. */
export const resourceWords: readonly string[] = kinds.flatMap((def) => [
  def.plural,
  def.singular,
  ...def.shortNames,
]);
