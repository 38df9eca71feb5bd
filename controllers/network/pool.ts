/** Which range and which number a network gets. Pure. */
import {
  formatSubnet,
  overlaps,
  parseSubnet,
  sizeOf,
  type Network,
  type NetworkPool,
  type Node,
  type Subnet,
} from '../../api-schemas/index.ts';
import { keyOf, shortHash } from '../runtime/names.ts';
import { parsed } from './parsed.ts';

export interface Surroundings {
  readonly pools: readonly NetworkPool[];
  /** All networks but this one. */
  readonly others: readonly Network[];
  readonly nodes: readonly Node[];
}

/** Why there is nothing to give, and what to do about it. */
export interface Refusal {
  readonly reason: string;
  readonly message: string;
}

const firstVni = 4097;
const vnis = 2 ** 24 - firstVni;

/** A range that is not to be had, with who has it in words. */
interface Taken {
  readonly range: Subnet;
  readonly by: string;
  /** The engine of a node may take it, and has not. */
  readonly isPool?: boolean;
}

/** A number that only hangs on `seed`: the place where a search begins. */
export const placeOf = (seed: string): number => parseInt(shortHash(8, seed), 16);

/**
 * The network's number: the first that no other has, from a place that follows from its uid. So one that was freed is
 * not given again soon, and clusters that share a wire hardly ever have one in common.
 */
export function chooseVni(network: Network, others: readonly Network[]): number {
  const used = new Set(others.map(({ status }) => status?.vni));
  let place = placeOf(network.metadata.uid ?? keyOf(network)) % vnis;
  while (used.has(firstVni + place)) place = (place + 1) % vnis;
  return firstVni + place;
}

/** The range that the network asks for, or the first of the pools that is free, from a place that follows from its uid. */
export function chooseSubnet(network: Network, around: Surroundings): string | Refusal {
  const taken = [...takenBy(around.others), ...routesOf(around.nodes)];
  const asked = network.spec.subnet;
  if (asked !== undefined) {
    const range = parseSubnet(asked);
    const other = taken.find((one) => overlaps(one.range, range));
    return other === undefined ? asked : overlapping(asked, other);
  }
  // Who waits for a range that it has asked for is not to lose it to a pool.
  const wished = around.others.flatMap((other) =>
    other.spec.subnet === undefined
      ? []
      : [{ range: parseSubnet(other.spec.subnet), by: `network ${keyOf(other)}` }],
  );
  const seed = network.metadata.uid ?? keyOf(network);
  for (const pool of around.pools) {
    const found = freeIn(pool, seed, [...taken, ...wished]);
    if (found !== undefined) return formatSubnet(found);
  }
  return exhausted(around.pools, taken);
}

function freeIn({ cidr, size }: NetworkPool, seed: string, taken: readonly Taken[]): Subnet | undefined {
  const pool = parseSubnet(cidr);
  const near = taken.filter(({ range }) => overlaps(range, pool));
  const count = 2 ** (size - pool.prefix);
  const start = placeOf(seed) % count;
  for (let i = 0; i < count; i++) {
    const range = { base: pool.base + ((start + i) % count) * sizeOf({ prefix: size }), prefix: size };
    if (!near.some((one) => overlaps(one.range, range))) return range;
  }
  return undefined;
}

const takenBy = (others: readonly Network[]): readonly Taken[] =>
  others.flatMap((other) => {
    const range = rangeOf(other);
    return range === undefined
      ? []
      : [{ range, by: `network ${keyOf(other)}, ${other.status?.subnet ?? ''}` }];
  });

/** The range that a network has; read once per stored version of it. */
export function rangeOf(network: Network): Subnet | undefined {
  const known = ranges.get(network);
  if (known !== undefined) return known;
  const range = parsed(network.status?.subnet ?? '');
  if (range !== undefined) ranges.set(network, range);
  return range;
}
const ranges = new WeakMap<Network, Subnet>();

/**
 * An older network that has the number or an address of this one, which cannot be but by a status that somebody else
 * wrote, or a backup that was restored.
 */
export function clashOf(network: Network, others: readonly Network[]): Network | undefined {
  const range = rangeOf(network);
  const vni = network.status?.vni;
  return others.find((other) => {
    const theirs = rangeOf(other);
    const isShared = theirs !== undefined && range !== undefined && overlaps(theirs, range);
    return (isShared || (vni !== undefined && other.status?.vni === vni)) && isOlder(other, network);
  });
}

function isOlder(a: Network, b: Network): boolean {
  const [x, y] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  return x === y ? keyOf(a) < keyOf(b) : x < y;
}

/** Ranges of nodes. The default route says nothing: it is for what nobody has. */
export const routesOf = (nodes: readonly Node[]): readonly Taken[] =>
  nodes.flatMap(({ metadata, status }) =>
    (status?.routes ?? []).flatMap(({ to, of, pool = false }) => {
      const range = parsed(to);
      return range === undefined || range.prefix === 0
        ? []
        : [{ range, by: `${to} of node ${metadata.name} (${of})`, isPool: pool }];
    }),
  );

const overlapping = (subnet: string, { by }: Taken): Refusal => ({
  reason: 'SubnetOverlaps',
  message: `${subnet} overlaps ${by}: make the network anew with another subnet, or take the other away`,
});

function exhausted(pools: readonly NetworkPool[], taken: readonly Taken[]): Refusal {
  const words = pools.map(({ cidr, size }) => `${cidr} in networks of /${String(size)}`).join(', ');
  const routes = taken.filter(
    ({ by, range }) =>
      !by.startsWith('network ') && pools.some(({ cidr }) => overlaps(range, parseSubnet(cidr))),
  );
  const also = routes[0] === undefined ? '' : `; ${routes[0].by} takes some of it`;
  return {
    reason: 'NoFreeSubnet',
    message: `no range is free in the pools (${words === '' ? 'there is none' : words})${also}: add a pool to spec.networks.pools of Cluster orc, give the network a subnet, or delete networks that nobody needs`,
  };
}

/** The range of the node that the network's overlaps, in words; undefined when there is none. */
export const overlapOn = (node: Node, subnet: string): string | undefined => {
  const range = parseSubnet(subnet);
  return routesOf([node]).find((route) => route.isPool !== true && overlaps(route.range, range))?.by;
};
