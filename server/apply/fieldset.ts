/**
 * Sets of field paths, as Kubernetes keeps them in `managedFields`.
 *
 * A path element is its serialised text: `f:name` a field, `k:{"a":1}` an item of a list by its keys,
 * `v:"x"` an item of a set, `i:0` an index. A node can be a member, have children, or both. All operations
 * leave their arguments alone. Semantics: kubernetes-sigs/structured-merge-diff, `fieldpath`.
 */
import type { FieldType } from './schema.ts';

export type PathElement = string;
export type FieldPath = readonly PathElement[];

export interface FieldSet {
  readonly members: ReadonlySet<PathElement>;
  readonly children: ReadonlyMap<PathElement, FieldSet>;
}

interface MutableSet {
  readonly members: Set<PathElement>;
  readonly children: Map<PathElement, MutableSet>;
}

export const emptyFieldSet: FieldSet = { members: new Set(), children: new Map() };

const fresh = (): MutableSet => ({ members: new Set(), children: new Map() });

/** Collects paths into a set. */
export class FieldSetBuilder {
  readonly #root = fresh();

  /** Adds `path`; its parents do not become members. The empty path (the whole object) is ignored. */
  add(path: FieldPath): void {
    const last = path[path.length - 1];
    if (last === undefined) return;
    let node = this.#root;
    for (const element of path.slice(0, -1)) {
      let next = node.children.get(element);
      if (next === undefined) {
        next = fresh();
        node.children.set(element, next);
      }
      node = next;
    }
    node.members.add(last);
  }

  build(): FieldSet {
    return this.#root;
  }
}

export function fieldSetOf(paths: Iterable<FieldPath>): FieldSet {
  const builder = new FieldSetBuilder();
  for (const path of paths) builder.add(path);
  return builder.build();
}

export function isEmpty(set: FieldSet): boolean {
  if (set.members.size > 0) return false;
  for (const child of set.children.values()) if (!isEmpty(child)) return false;
  return true;
}

export function has(set: FieldSet, path: FieldPath): boolean {
  let node: FieldSet | undefined = set;
  for (const element of path.slice(0, -1)) node = node?.children.get(element);
  const last = path[path.length - 1];
  return last !== undefined && node !== undefined && node.members.has(last);
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map(a.children);
  for (const [element, child] of b.children) {
    const mine = children.get(element);
    children.set(element, mine === undefined ? child : union(mine, child));
  }
  return { members: new Set([...a.members, ...b.members]), children };
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map<PathElement, FieldSet>();
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    if (other === undefined) continue;
    const both = intersection(child, other);
    if (!isEmpty(both)) children.set(element, both);
  }
  return { members: new Set([...a.members].filter((element) => b.members.has(element))), children };
}

/** Members of `a` that are no members of `b`; the children of a member of `b` stay. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map<PathElement, FieldSet>();
  for (const [element, child] of a.children) {
    const other = b.children.get(element);
    const rest = other === undefined ? child : difference(child, other);
    if (other === undefined || !isEmpty(rest)) children.set(element, rest);
  }
  return { members: new Set([...a.members].filter((element) => !b.members.has(element))), children };
}

/** As `difference`, but a member of `b` takes everything below it along. */
export function recursiveDifference(a: FieldSet, b: FieldSet): FieldSet {
  const children = new Map<PathElement, FieldSet>();
  for (const [element, child] of a.children) {
    if (b.members.has(element)) continue;
    const other = b.children.get(element);
    const rest = other === undefined ? child : recursiveDifference(child, other);
    if (other === undefined || !isEmpty(rest)) children.set(element, rest);
  }
  return { members: new Set([...a.members].filter((element) => !b.members.has(element))), children };
}

/** The part of `set` below `element`. */
export const below = (set: FieldSet, element: PathElement): FieldSet =>
  set.children.get(element) ?? emptyFieldSet;

/**
 * Makes members of the declared fields on the way to each member: a set of `a.b.c` also gets `a` where the
 * schema declares `a`, but not an entry of a map.
 */
export function withNamedFields(set: FieldSet, type: FieldType | undefined): FieldSet {
  const members = new Set(set.members);
  const children = new Map<PathElement, FieldSet>();
  for (const [element, child] of set.children) {
    if (element.startsWith('f:') && type?.map?.fields.has(element.slice(2))) members.add(element);
    children.set(element, withNamedFields(child, typeBelow(type, element)));
  }
  return { members, children };
}

function typeBelow(type: FieldType | undefined, element: PathElement): FieldType | undefined {
  if (element.startsWith('f:')) {
    return type?.map?.fields.get(element.slice(2))?.type ?? type?.map?.element;
  }
  return element.startsWith('k:') ? type?.list?.element : undefined;
}

export function sameSet(a: FieldSet, b: FieldSet): boolean {
  return isEmpty(difference(a, b)) && isEmpty(difference(b, a));
}

/** Members in order: fields, keys, values, indexes, each by text. */
export function* pathsOf(set: FieldSet, prefix: FieldPath = []): Generator<FieldPath> {
  for (const element of [...set.members].sort(byElement)) yield [...prefix, element];
  for (const element of [...set.children.keys()].sort(byElement)) {
    yield* pathsOf(below(set, element), [...prefix, element]);
  }
}

const rank = 'fkvi';

/** Order of path elements in `managedFields`. */
export function byElement(a: PathElement, b: PathElement): number {
  const ranks = rank.indexOf(a.charAt(0)) - rank.indexOf(b.charAt(0));
  if (ranks !== 0) return ranks;
  return a < b ? -1 : a > b ? 1 : 0;
}
