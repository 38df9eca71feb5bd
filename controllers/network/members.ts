/** Which nodes are in a network, and what they have of it. Pure. */
import type { NetworkNode, Node } from '../../api-schemas/index.ts';
import { blockAt, blockOf, blockSize, freeGateway, type Layout } from './layout.ts';
import { overlapOn, type Refusal } from './pool.ts';
import { overlap6On } from './prefix.ts';

/** What a node runs in one network. */
export interface Load {
  /** Tasks that have an address, or will get one. */
  readonly tasks: number;
  /** Addresses that they have said. */
  readonly ips: readonly string[];
  /** A task has not said its address yet: it may have one of any block that was open when it came. */
  readonly isPending: boolean;
}

export interface MembersInput {
  readonly subnet: string;
  /** Its IPv6 prefix, where it has one. */
  readonly subnet6?: string;
  readonly layout: Layout;
  readonly before: Readonly<Record<string, NetworkNode>>;
  /** By name of the node. */
  readonly loads: ReadonlyMap<string, Load>;
  readonly nodes: ReadonlyMap<string, Node>;
  /** Why a node may not be in it. */
  readonly obstacleOf?: (node: Node) => Refusal | undefined;
  /** Each node answers a published port of the network. */
  readonly isEntry: boolean;
  readonly virtualIPs: readonly string[];
}

export interface Members {
  readonly nodes: Readonly<Record<string, NetworkNode>>;
  /** By name of the node: why it has not got what it needs. */
  readonly refused: ReadonlyMap<string, Refusal>;
}

const idle: Load = { tasks: 0, ips: [], isPending: false };

/**
 * Gives each node with a task, and with `isEntry` each node, a gateway address, and as many blocks as its tasks need.
 *
 * What is no longer needed is given back in two steps, so that no address is given twice although the node takes
 * addresses by itself: a block is first `closing`, and goes in a later pass. The node learns what it may use in the
 * order in which it was written. So a task that it gets after the block was closed takes none of its addresses; and one
 * that it got before is known to the later pass, which leaves the block until all tasks have said their addresses.
 */
export function planMembers(input: MembersInput): Members {
  const { layout, before, nodes, loads, isEntry } = input;
  const refused = new Map<string, Refusal>();
  const members = new Map<string, NetworkNode>();
  for (const [name, held] of Object.entries(before)) {
    const load = loads.get(name) ?? idle;
    const kept = nodes.has(name) ? released(held, load, layout) : undefined;
    if (kept !== undefined && (load.tasks > 0 || isEntry || blocksOf(kept).length > 0))
      members.set(name, kept);
  }

  const names = [...nodes.keys()].filter((name) => isEntry || (loads.get(name)?.tasks ?? 0) > 0).sort();
  const addresses = new Set([...input.virtualIPs, ...[...members.values()].map(({ gateway }) => gateway)]);
  for (const name of names) {
    const node = nodes.get(name);
    const obstacle = node === undefined ? undefined : input.obstacleOf?.(node);
    if (obstacle !== undefined) refused.set(name, obstacle);
    if (members.has(name) || obstacle !== undefined) continue;
    const overlap = node === undefined ? undefined : obstacleOn(node, input);
    const gateway = freeGateway(layout, addresses);
    if (overlap !== undefined) refused.set(name, overlap);
    else if (gateway === undefined) refused.set(name, noGateway(name, input.subnet));
    else {
      addresses.add(gateway);
      members.set(name, { gateway });
    }
  }

  const used = new Set([...members.values()].flatMap(blocksOf));
  const needed = (name: string): number => Math.ceil((loads.get(name) ?? idle).tasks / blockSize);
  // Each gets its first before any gets its second.
  const most = Math.max(0, ...[...members.keys()].map(needed));
  let place = 0;
  for (let count = 1; count <= most; count++) {
    for (const [name, member] of [...members].sort(byName)) {
      if (needed(name) < count || (member.blocks ?? []).length >= count) continue;
      const reopened = member.closing?.at(-1);
      if (reopened !== undefined) {
        members.set(name, shape(member, [...(member.blocks ?? []), reopened], member.closing?.slice(0, -1)));
        continue;
      }
      while (place < layout.blocks && used.has(blockAt(layout, place))) place++;
      if (place >= layout.blocks) {
        refused.set(name, noBlock(name, input.subnet));
        continue;
      }
      const block = blockAt(layout, place);
      used.add(block);
      members.set(name, shape(member, [...(member.blocks ?? []), block], member.closing));
    }
  }
  return { nodes: Object.fromEntries([...members].sort(byName)), refused };
}

const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number => (a < b ? -1 : 1);

export const blocksOf = ({ blocks = [], closing = [] }: NetworkNode): readonly string[] => [
  ...blocks,
  ...closing,
];

/** What a node keeps: closes blocks beyond those it needs and a spare one, and lets go of closed ones that are free. */
function released(held: NetworkNode, { tasks, ips, isPending }: Load, layout: Layout): NetworkNode {
  const { blocks = [], closing = [] } = held;
  const inUse = new Set(ips.map((ip) => blockOf(layout, ip)));
  const still = closing.filter((block) => isPending || inUse.has(block));
  const enough = tasks === 0 ? 0 : Math.ceil(tasks / blockSize) + 1;
  return shape(held, blocks.slice(0, enough), [...still, ...blocks.slice(enough)]);
}

const shape = (
  { gateway }: NetworkNode,
  blocks: readonly string[] = [],
  closing: readonly string[] = [],
): NetworkNode => ({
  gateway,
  ...(blocks.length === 0 ? {} : { blocks }),
  ...(closing.length === 0 ? {} : { closing }),
});

/** A route of the node into the network, of either family. */
function obstacleOn(node: Node, { subnet, subnet6 }: MembersInput): Refusal | undefined {
  const { name } = node.metadata;
  const by = overlapOn(node, subnet);
  if (by !== undefined) return overlapRefusal(name, subnet, by);
  const by6 = subnet6 === undefined ? undefined : overlap6On(node, subnet6);
  return by6 === undefined ? undefined : overlapRefusal(name, subnet6 ?? '', by6);
}

const overlapRefusal = (node: string, subnet: string, overlap: string): Refusal => ({
  reason: 'RouteOverlaps',
  message: `node ${node} is not in the network: ${subnet} overlaps ${overlap}; take that away, or make the network anew with another subnet`,
});
const noGateway = (node: string, subnet: string): Refusal => ({
  reason: 'NoFreeGateway',
  message: `node ${node} is not in the network: no address of ${subnet} is left for one more node; make the network anew with a larger subnet`,
});
const noBlock = (node: string, subnet: string): Refusal => ({
  reason: 'NoFreeBlock',
  message: `node ${node} gets no more addresses: all blocks of ${subnet} are given; run fewer tasks in the network or on fewer nodes, or make it anew with a larger subnet`,
});
