/** What a node is shown of objects that many nodes see: only what it needs. Pure but for what is remembered of objects. */
import {
  holdsAddress,
  taskStates,
  type Endpoint,
  type Endpoints,
  type Network,
  type NetworkPeers,
  type Task,
} from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';

const byNode = new WeakMap<Endpoints, ReadonlyMap<string, readonly Endpoint[]>>();

/** The endpoints of each node. */
export function endpointsByNode(object: Endpoints): ReadonlyMap<string, readonly Endpoint[]> {
  const known = byNode.get(object);
  if (known !== undefined) return known;
  const grouped = new Map<string, Endpoint[]>();
  for (const endpoint of object.endpoints ?? []) {
    const list = grouped.get(endpoint.nodeName);
    if (list === undefined) grouped.set(endpoint.nodeName, [endpoint]);
    else list.push(endpoint);
  }
  byNode.set(object, grouped);
  return grouped;
}

/** Keys (`namespace/name`) of the networks that a service is on. */
export const networkKeysOf = ({ metadata, networks = [] }: Endpoints): readonly string[] =>
  networks.map(({ network }) => `${metadata.namespace ?? ''}/${network}`);

/**
 * The part of an Endpoints object for a node: on the networks that it is in (`isIn`, by key) all endpoints, with their
 * addresses there; else its own, and only when it answers a port. Undefined when it needs none of it.
 */
export function endpointsFor(
  node: string,
  object: Endpoints | undefined,
  isIn: (network: string) => boolean,
): Endpoints | undefined {
  if (object === undefined) return undefined;
  const keys = networkKeysOf(object);
  const shared = (object.networks ?? []).filter((_, i) => isIn(keys[i] ?? ''));
  const own = endpointsByNode(object).get(node) ?? [];
  const ports = (object.ports ?? []).filter(({ mode }) => mode !== 'host');
  if (shared.length === 0) {
    if (own.length === 0 || ports.length === 0) return undefined;
    const { networks: _, ...rest } = object;
    return { ...rest, ports, endpoints: own };
  }
  const names = new Set(shared.map(({ network }) => network));
  const others = sharedView(object, names);
  const isWhole = own.every(({ addresses = [] }) => addresses.some(({ network }) => names.has(network)));
  // What runs on the node it knows, whatever has come of its addresses so far.
  const endpoints = isWhole ? others : [...own, ...others.filter(({ nodeName }) => nodeName !== node)];
  return { ...object, ports, endpoints, networks: shared };
}

const views = new WeakMap<Endpoints, Map<string, readonly Endpoint[]>>();

/** The endpoints as seen from some of the service's networks: the same for all nodes that share these. */
function sharedView(object: Endpoints, names: ReadonlySet<string>): readonly Endpoint[] {
  const known = views.get(object) ?? new Map<string, readonly Endpoint[]>();
  views.set(object, known);
  const id = [...names].join();
  const before = known.get(id);
  if (before !== undefined) return before;
  const view = (object.endpoints ?? []).flatMap((endpoint): readonly Endpoint[] => {
    const all = endpoint.addresses ?? [];
    const addresses = all.filter(({ network }) => names.has(network));
    const [first] = addresses;
    if (first === undefined) return [];
    return addresses.length === all.length ? [endpoint] : [{ ...endpoint, ip: first.ip, addresses }];
  });
  known.set(id, view);
  return view;
}

/**
 * A network with what is the node's own of it. Of others it has nothing, so that it is sent again only when it changes
 * for this node; why the node has got nothing yet it is told in the network's own words.
 */
export function networkFor(node: string, { status = {}, ...network }: Network): Network {
  const { name, namespace = '', uid, generation, deletionTimestamp } = network.metadata;
  const { vni, subnet, subnet6, epoch, nodes = {}, conditions } = status;
  const own = nodes[node];
  return {
    ...network,
    metadata: {
      ...{ name, namespace },
      ...(uid === undefined ? {} : { uid }),
      ...(generation === undefined ? {} : { generation }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    status: {
      ...(vni === undefined ? {} : { vni }),
      ...(subnet === undefined ? {} : { subnet }),
      ...(subnet6 === undefined ? {} : { subnet6 }),
      ...(epoch === undefined ? {} : { epoch }),
      ...(own === undefined ? {} : { nodes: { [node]: own } }),
      ...(own?.blocks === undefined && conditions !== undefined ? { conditions } : {}),
    },
  };
}

/**
 * What `node` has on a network, for the others in it, as JSON; undefined when it is not in it, or cannot be reached.
 * All others are sent the same: it is worked out once.
 */
export function peersOf(cache: Cache, network: Network, node: string): string | undefined {
  const member = network.status?.nodes?.[node];
  const status = cache.get('Node', '', node)?.status;
  const address = status?.addresses?.[0];
  if (member === undefined || address === undefined) return undefined;
  const { namespace = '', name } = network.metadata;
  const tasks = cache.by('Task', 'node', node);
  const known = knownPeers.get(tasks) ?? new Map<string, { readonly from: string; readonly json: string }>();
  const key = `${namespace}/${name}`;
  const keys = network.spec.encrypted === true ? (status?.encryption?.keys ?? []) : undefined;
  const from = JSON.stringify([address, member, keys]);
  const before = known.get(key);
  if (before?.from === from) return before.json;
  const peers: NetworkPeers = {
    network: key,
    node,
    address,
    gateway: member.gateway,
    ...(keys === undefined ? {} : { keys }),
    ips: ipsOn(tasks, namespace, name).filter((ip) => holdsAddress(member, ip)),
  };
  const json = JSON.stringify(peers);
  // Nodes without tasks have the same empty list.
  if (tasks.length > 0) knownPeers.set(tasks, known.set(key, { from, json }));
  return json;
}

/** By the tasks of a node, which are the same array until one of them changes. */
const knownPeers = new WeakMap<
  readonly Task[],
  Map<string, { readonly from: string; readonly json: string }>
>();

const ipsOn = (tasks: readonly Task[], namespace: string, network: string): readonly string[] =>
  tasks
    .filter((task) => task.metadata.namespace === namespace && !hasEnded(task))
    .flatMap((task) => (task.status?.addresses ?? []).filter((one) => one.network === network))
    .map(({ ip }) => ip)
    .sort();

const endedAt = taskStates.indexOf('Complete');
const hasEnded = ({ status }: Task): boolean => taskStates.indexOf(status?.state ?? 'New') >= endedAt;

/** What of a task others on its networks need; equal texts: nothing has changed for them. */
export const reachOf = (task: Task | undefined): string =>
  task?.spec.nodeName === undefined || hasEnded(task)
    ? ''
    : JSON.stringify([task.spec.nodeName, task.spec.networks, task.status?.addresses]);
