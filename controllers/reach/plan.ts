/** What the probes of all agents say together. Pure: all that is remembered is in the objects. */
import { udpPortsOf, type Network, type Node, type UnansweredNode } from '../../api-schemas/index.ts';
import { findCondition, isTrue, type NewCondition } from '../runtime/conditions.ts';
import { keyOf } from '../runtime/names.ts';

/** Of a Node: whether packets go between it and the others of its networks. Absent while they do. */
export const nodeReach = 'NetworkReachable';
/** Of a Node: whether its agent can do what networks need. Absent while it can. */
export const nodeNetwork = 'NetworkReady';
/** Of a Network: whether packets go between all of its nodes. Absent while they do. */
export const networkReach = 'Reachable';

export interface Observed {
  readonly nodes: readonly Node[];
  readonly networks: readonly Network[];
}

/** Conditions that are to be; one that is not here is to be gone. */
export interface Plan {
  readonly nodes: ReadonlyMap<string, readonly NewCondition[]>;
  /** By `namespace/name`. */
  readonly networks: ReadonlyMap<string, NewCondition>;
}

/** Packets from one node to another that do not arrive; `either`: which of the two directions it is, nobody can say. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly how: 'all' | 'large' | 'both' | 'either';
  readonly networks: readonly string[];
  readonly hasNoRoute: boolean;
}

/** Named in one message; the others are counted. */
const mostNamed = 3;
const mostText = 1_000;

/**
 * A node that most of its peers do not reach is told as the one that is not reached, once and on it alone; any other path
 * on both of its ends. What is said of a node that has no session, and what such a node said, does not count: its own
 * conditions tell of it.
 */
export function plan({ nodes, networks }: Observed): Plan {
  const connected = new Map(
    nodes
      .filter(({ status }) => isTrue(status?.conditions, 'Connected'))
      .map((node) => [node.metadata.name, node]),
  );
  const said = new Map<string, readonly UnansweredNode[]>();
  for (const [name, { status }] of connected) {
    const own = (status?.network?.unanswered ?? []).filter(
      ({ node }) => node !== name && connected.has(node),
    );
    if (own.length > 0) said.set(name, own);
  }
  const edges = edgesOf(said);
  const ports = portsIn(networks);
  const cutOff = nodesCutOff(said, connected, networks, ports);
  const conditions = new Map<string, NewCondition[]>();
  const say = (name: string, condition: NewCondition): void =>
    void conditions.set(name, [...(conditions.get(name) ?? []), condition]);
  for (const [name, condition] of cutOff) say(name, condition);
  const left = edges.filter(({ from, to }) => !cutOff.has(from) && !cutOff.has(to));
  for (const name of new Set(left.flatMap(({ from, to }) => [from, to])))
    say(name, pathsFail(name, left, connected, ports));
  for (const { metadata, status } of nodes) {
    const own = problemsOf(status, connected.has(metadata.name));
    if (own !== undefined) say(metadata.name, own);
  }
  return { nodes: conditions, networks: networksOf(edges, networks) };
}

function edgesOf(said: ReadonlyMap<string, readonly UnansweredNode[]>): readonly Edge[] {
  const wordOf = (from: string, to: string): UnansweredNode | undefined =>
    said.get(from)?.find(({ node }) => node === to);
  return [...said].flatMap(([name, own]) =>
    own.flatMap(({ node: peer, way, networks, reach }): readonly Edge[] => {
      const edge = { from: name, to: peer, networks, hasNoRoute: reach === 'unreachable' };
      if (way === 'mtu') return [{ ...edge, how: 'large' }];
      if (way === 'to') return [{ ...edge, how: 'all' }];
      const other = wordOf(peer, name);
      // Who says more has the word; of two that say the same, the first by name.
      if (other?.way === 'to' || (other?.way === 'none' && peer < name)) return [];
      return [{ ...edge, how: other?.way === 'none' ? 'both' : 'either' }];
    }),
  );
}

/** Those that more than half of their peers, and two at least, hear nothing of, or cannot send to. */
function nodesCutOff(
  said: ReadonlyMap<string, readonly UnansweredNode[]>,
  connected: ReadonlyMap<string, Node>,
  networks: readonly Network[],
  ports: Ports,
): ReadonlyMap<string, NewCondition> {
  const sayers = new Map<string, string[]>();
  const failing = new Map<string, string[]>();
  for (const [name, own] of said)
    for (const { node, way, networks: tried } of own) {
      if (way === 'mtu') continue;
      sayers.set(node, [...(sayers.get(node) ?? []), name]);
      failing.set(node, [...(failing.get(node) ?? []), ...tried]);
    }
  const found = new Map<string, NewCondition>();
  for (const [name, by] of sayers) {
    if (by.length < 2) continue;
    const total = peersOf(name, connected, networks);
    if (by.length * 2 <= total) continue;
    const address = addressOf(connected.get(name));
    found.set(name, {
      ...{ type: nodeReach, status: 'False', reason: 'NotReached' },
      message: `it is not reached by ${String(by.length)} of ${String(Math.max(total, by.length))} nodes on its networks (${naming(by.toSorted())}): open ${ports(failing.get(name) ?? [])} from and to ${address}; \`orc net check --node ${name}\` says more`,
    });
  }
  return found;
}

/** The UDP ports of networks, by their keys. */
type Ports = (networks: readonly string[]) => string;

function portsIn(networks: readonly Network[]): Ports {
  const byKey = new Map(networks.map((network) => [keyOf(network), network.spec]));
  return (keys) => udpPortsOf(keys.map((key) => byKey.get(key) ?? {}));
}

/** How many nodes share a network with it. */
function peersOf(name: string, connected: ReadonlyMap<string, Node>, networks: readonly Network[]): number {
  const peers = new Set<string>();
  for (const { status } of networks) {
    const members = status?.nodes ?? {};
    if (!(name in members)) continue;
    for (const other of Object.keys(members)) if (other !== name && connected.has(other)) peers.add(other);
  }
  return peers.size;
}

function pathsFail(
  name: string,
  edges: readonly Edge[],
  connected: ReadonlyMap<string, Node>,
  ports: Ports,
): NewCondition {
  const own = edges.filter(({ from, to }) => from === name || to === name).sort(byName);
  const texts = own.slice(0, mostNamed).map((edge) => textOf(edge, connected, ports));
  const more = own.length > texts.length ? `; and ${String(own.length - texts.length)} more` : '';
  const message = `${texts.join('; ')}${more}; \`orc net check\` says more`;
  return { type: nodeReach, status: 'False', reason: 'PathFails', message: message.slice(0, mostText) };
}

function textOf(
  { from, to, how, hasNoRoute, networks }: Edge,
  connected: ReadonlyMap<string, Node>,
  ports: Ports,
): string {
  const [a, b] = [addressOf(connected.get(from)), addressOf(connected.get(to))];
  if (hasNoRoute) return `${from} has no way to ${to} (${b})`;
  switch (how) {
    case 'all':
      return `what ${from} sends to ${to} does not arrive: open ${ports(networks)} from ${a} to ${b}`;
    case 'large':
      return `large packets from ${from} do not arrive at ${to}: let UDP of 1,500 bytes pass from ${a} to ${b}`;
    case 'both':
      return `nothing goes between ${from} and ${to}: open ${ports(networks)} between ${a} and ${b}`;
    case 'either':
      return `${from} has no answer from ${to}: open ${ports(networks)} between ${a} and ${b}`;
  }
}

function problemsOf(status: Node['status'], isConnected: boolean): NewCondition | undefined {
  // Of one that is away nothing new is known.
  if (!isConnected) return findCondition(status?.conditions, nodeNetwork);
  const problems = status?.network?.problems ?? [];
  const [first, ...more] = problems;
  if (first === undefined) return undefined;
  const message = problems.map((problem) => problem.message).join('; ');
  const reason = more.every((other) => other.reason === first.reason) ? first.reason : 'SeveralProblems';
  return { type: nodeNetwork, status: 'False', reason, message: message.slice(0, mostText) };
}

function networksOf(edges: readonly Edge[], networks: readonly Network[]): ReadonlyMap<string, NewCondition> {
  const pairs = new Map<string, Set<string>>();
  for (const { from, to, networks: own } of edges)
    for (const key of own) pairs.set(key, (pairs.get(key) ?? new Set()).add([from, to].sort().join(' and ')));
  return new Map(
    networks.flatMap((network) => {
      const failing = pairs.get(keyOf(network));
      if (failing === undefined) return [];
      const { namespace = 'default', name } = network.metadata;
      const message = `packets do not go between ${naming([...failing].sort())}: \`orc net check -n ${namespace} --network ${name}\` says more`;
      return [
        [keyOf(network), { type: networkReach, status: 'False', reason: 'PathsFail', message }] as const,
      ];
    }),
  );
}

const byName = (a: Edge, b: Edge): number => (`${a.from} ${a.to}` < `${b.from} ${b.to}` ? -1 : 1);
const addressOf = (node: Node | undefined): string => node?.status?.addresses?.[0] ?? 'its address';
const naming = (all: readonly string[]): string =>
  all.length <= mostNamed
    ? all.join(', ')
    : `${all.slice(0, mostNamed).join(', ')} and ${String(all.length - mostNamed)} more`;
