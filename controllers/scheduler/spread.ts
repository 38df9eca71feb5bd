import type { Node } from '../../api-schemas/index.ts';
import type { Seat } from './cluster.ts';
import { Heap } from './heap.ts';

/**
 * Seats in the order in which to try them: a tree with a level per spread preference, the first at the root, and
 * at its leaves the seats themselves. Each branch stands for one value; the one with the fewest tasks of the
 * service comes first, and among equal branches the rest decides.
 */
export class SpreadTree {
  readonly #root: Branch;

  constructor(
    seats: readonly Seat[],
    preferences: readonly string[],
    countOf: (seat: Seat) => number,
    before: (a: Seat, b: Seat) => boolean,
  ) {
    this.#root = grow('', seats, preferences, countOf, before);
  }

  /**
   * Returns the best seat that `fits`. A seat that does not is never offered again: during one plan room only
   * shrinks.
   */
  place(fits: (seat: Seat) => boolean, take: (seat: Seat) => void): boolean {
    return placeIn(this.#root, fits, take);
  }
}

type Branch =
  | { readonly kind: 'leaf'; readonly value: string; count: number; readonly seats: Heap<Seat> }
  | { readonly kind: 'fork'; readonly value: string; count: number; readonly branches: Heap<Branch> };

function grow(
  value: string,
  seats: readonly Seat[],
  preferences: readonly string[],
  countOf: (seat: Seat) => number,
  before: (a: Seat, b: Seat) => boolean,
): Branch {
  const count = seats.reduce((all, seat) => all + countOf(seat), 0);
  const [first, ...rest] = preferences;
  if (first === undefined) return { kind: 'leaf', value, count, seats: new Heap(seats, before) };
  const groups = new Map<string, Seat[]>();
  for (const seat of seats) {
    const name = spreadValue(seat.node, first);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [seat]);
    else group.push(seat);
  }
  const branches = [...groups].map(([name, members]) => grow(name, members, rest, countOf, before));
  return { kind: 'fork', value, count, branches: new Heap(branches, fewer) };
}

const fewer = (a: Branch, b: Branch): boolean =>
  a.count < b.count || (a.count === b.count && a.value < b.value);

function placeIn(branch: Branch, fits: (seat: Seat) => boolean, take: (seat: Seat) => void): boolean {
  switch (branch.kind) {
    case 'leaf':
      for (let seat = branch.seats.peek(); seat !== undefined; seat = branch.seats.peek()) {
        if (!fits(seat)) {
          branch.seats.pop();
          continue;
        }
        take(seat);
        branch.count += 1;
        branch.seats.fixFirst();
        return true;
      }
      return false;
    case 'fork':
      for (let next = branch.branches.peek(); next !== undefined; next = branch.branches.peek()) {
        if (placeIn(next, fits, take)) {
          branch.count += 1;
          branch.branches.fixFirst();
          return true;
        }
        branch.branches.pop();
      }
      return false;
  }
}

/** The value that a node has for a preference; nodes without it form one group. */
export function spreadValue(node: Node, key: string): string {
  if (key.startsWith('node.labels.')) return node.metadata.labels?.[key.slice('node.labels.'.length)] ?? '';
  if (key.startsWith('engine.labels.')) {
    return node.status?.engine?.labels?.[key.slice('engine.labels.'.length)] ?? '';
  }
  switch (key) {
    case 'node.hostname':
      return node.status?.hostname ?? node.metadata.name;
    case 'node.id':
      return node.metadata.name;
    case 'node.role':
      return node.status?.role ?? '';
    case 'node.platform.os':
      return node.status?.platform?.os ?? '';
    case 'node.platform.arch':
      return node.status?.platform?.arch ?? '';
    default:
      return '';
  }
}
