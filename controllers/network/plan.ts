/** What a network is given. Pure: all that is remembered is in `Network.status`. */
import {
  networksOf,
  type Network,
  type NetworkStatus,
  type Node,
  type Service,
  type Task,
} from '../../api-schemas/index.ts';
import type { NewCondition } from '../runtime/conditions.ts';
import { finalizer, isDeleting, keyOf } from '../runtime/names.ts';
import { isFinished } from '../runtime/tasks.ts';
import { layoutOf, type Layout } from './layout.ts';
import { encryptionObstacle } from './encryption.ts';
import { planMembers, type Load, type Members } from './members.ts';
import { choosePrefix } from './prefix.ts';
import { chooseSubnet, chooseVni, clashOf, type Refusal, type Surroundings } from './pool.ts';
import { planVirtualIPs, type VirtualIPs } from './virtual-ips.ts';

export interface Observed extends Omit<Surroundings, 'nodes'> {
  readonly network: Network;
  /** Where IPv6 prefixes are given from. */
  readonly pool6: string;
  /** Of the keys of encrypted networks. */
  readonly epoch?: number | undefined;
  /** All nodes, by name. */
  readonly nodes: ReadonlyMap<string, Node>;
  /** Services on this network. */
  readonly services: readonly Service[];
  /** Tasks on this network. */
  readonly tasks: readonly Task[];
}

export interface Plan {
  /** All but conditions of other rooms. */
  readonly status: Omit<NetworkStatus, 'conditions' | 'observedGeneration'>;
  readonly conditions: readonly NewCondition[];
  /** It is being deleted, and nothing is on it. */
  readonly isOver: boolean;
}

/** Whether the task has an address on its networks, or will get one. */
export const isOnNode = (task: Task): boolean => task.spec.nodeName !== undefined && !isFinished(task);

/**
 * Returns what the network has from now on. What is in use stays as it is; what nobody uses is free. Reads no clock
 * and remembers nothing, so that a new leader that reads the same objects changes nothing.
 */
export function plan(observed: Observed): Plan {
  const { network, tasks } = observed;
  if (isDeleting(network) && network.metadata.finalizers?.includes(finalizer.network) === true) {
    const left = tasks.filter(isOnNode);
    if (left.length === 0) return { status: keptOf(network.status), conditions: [], isOver: true };
    const { status, conditions } = planLiving(observed);
    return {
      status,
      conditions: [...conditions.filter(({ type }) => type !== 'Ready'), held(left)],
      isOver: false,
    };
  }
  return { ...planLiving(observed), isOver: false };
}

const keptOf = ({ conditions: _, observedGeneration: __, ...kept }: NetworkStatus = {}): Plan['status'] =>
  kept;

function planLiving(observed: Observed): Omit<Plan, 'isOver'> {
  const { network, others, pools } = observed;
  const { external } = network.spec;
  if (external !== undefined) {
    const message = `network ${external} of each node’s engine, as it is there`;
    return {
      status: {},
      conditions: [yes('Allocated', 'External', message), yes('Ready', 'Ready', message)],
    };
  }
  const around = { others, pools, nodes: [...observed.nodes.values()] };
  const clash = clashOf(network, others);
  const isIdle = Object.keys(network.status?.nodes ?? {}).length === 0;
  // Nothing has an address of it yet: it is given others as if it were new.
  if (clash !== undefined && isIdle) return planLiving({ ...observed, network: { ...network, status: {} } });
  const subnet = network.status?.subnet ?? chooseSubnet(network, around);
  if (typeof subnet !== 'string')
    return { status: {}, conditions: [no('Allocated', subnet), no('Ready', subnet)] };
  const vni = network.status?.vni ?? chooseVni(network, others);
  const subnet6 = prefixOf(observed, vni);
  if (typeof subnet6 === 'object')
    return { status: {}, conditions: [no('Allocated', subnet6), no('Ready', subnet6)] };
  const layout = layoutOf(subnet);
  const isEntry = observed.services.some((service) => isPublishedOn(service, network.metadata.name));
  const ofServices = virtualIPsOf(observed, layout);
  const members = planMembers({
    subnet,
    ...(subnet6 === undefined ? {} : { subnet6 }),
    layout,
    before: network.status?.nodes ?? {},
    loads: loadsOf(network.metadata.name, observed.tasks),
    nodes: observed.nodes,
    isEntry,
    ...(network.spec.encrypted === true ? { obstacleOf: encryptionObstacle } : {}),
    virtualIPs: Object.values(ofServices.virtualIPs),
  });
  return {
    status: {
      ...{ vni, subnet },
      ...(subnet6 === undefined ? {} : { subnet6 }),
      ...epochOf(observed),
      ...{ nodes: members.nodes, virtualIPs: ofServices.virtualIPs },
    },
    conditions: [
      yes(
        'Allocated',
        'Allocated',
        `${[subnet, ...(subnet6 === undefined ? [] : [subnet6])].join(', ')}, VNI ${String(vni)}`,
      ),
      clash === undefined ? readiness(subnet, members, ofServices) : no('Ready', clashing(subnet, clash)),
    ],
  };
}

/** What it has it keeps, as its number; undefined: it has no IPv6. */
function prefixOf({ network, pool6, nodes }: Observed, vni: number): string | Refusal | undefined {
  if (network.spec.ipv6 !== true) return undefined;
  return network.status?.subnet6 ?? choosePrefix(pool6, vni, [...nodes.values()]);
}

/** As the cluster has it; what is known stays until that is. */
function epochOf({ network, epoch }: Observed): Pick<NetworkStatus, 'epoch'> {
  if (network.spec.encrypted !== true) return {};
  const known = epoch ?? network.status?.epoch;
  return known === undefined ? {} : { epoch: known };
}

const virtualIPsOf = ({ network, services }: Observed, layout: Layout): VirtualIPs =>
  planVirtualIPs(
    layout,
    network.metadata.uid ?? keyOf(network),
    services
      .filter(({ spec }) => (spec.endpointMode ?? 'vip') === 'vip')
      .map(({ metadata }) => metadata.name),
    network.status?.virtualIPs ?? {},
    Object.values(network.status?.nodes ?? {}).map(({ gateway }) => gateway),
  );

/** Each node answers the service's ports, and reaches its tasks through the first of its networks. */
const isPublishedOn = ({ spec, metadata }: Service, network: string): boolean =>
  firstNetwork(spec) === network &&
  metadata.deletionTimestamp === undefined &&
  (spec.ports ?? []).some(({ mode = 'ingress' }) => mode === 'ingress');

const firstNetwork = (spec: Service['spec']): string | undefined => networksOf(spec)[0]?.name;

function loadsOf(network: string, tasks: readonly Task[]): ReadonlyMap<string, Load> {
  const loads = new Map<string, { tasks: number; ips: string[]; isPending: boolean }>();
  for (const task of tasks) {
    if (!isOnNode(task)) continue;
    const node = task.spec.nodeName ?? '';
    const load = loads.get(node) ?? { tasks: 0, ips: [], isPending: false };
    const ips = (task.status?.addresses ?? []).filter((one) => one.network === network).map(({ ip }) => ip);
    load.tasks += 1;
    load.ips.push(...ips);
    if (ips.length === 0) load.isPending = true;
    loads.set(node, load);
  }
  return loads;
}

function readiness(subnet: string, { refused }: Members, { without }: VirtualIPs): NewCondition {
  const [node] = [...refused.values()];
  const more = refused.size > 1 ? ` (and ${String(refused.size - 1)} more)` : '';
  if (node !== undefined) return no('Ready', { ...node, message: `${node.message}${more}` });
  const [service] = without;
  if (service !== undefined) return no('Ready', noVirtualIP(subnet, service, without.length));
  return yes('Ready', 'Ready', 'all that is asked of it is given');
}

const clashing = (subnet: string, other: Network): Refusal => ({
  reason: 'AddressClash',
  message: `its subnet ${subnet} or its VNI is also that of network ${keyOf(other)}, which is older: take its services off it, and make it anew`,
});

const noVirtualIP = (subnet: string, service: string, count: number): Refusal => ({
  reason: 'NoFreeVirtualIP',
  message: `service ${service}${count > 1 ? ` and ${String(count - 1)} more` : ''} cannot have a virtual IP: those of ${subnet} are all given; set \`endpointMode: dnsrr\`, or make the network anew with a larger subnet`,
});

function held(tasks: readonly Task[]): NewCondition {
  const names = tasks.slice(0, 3).map(({ metadata }) => metadata.name);
  const more = tasks.length > names.length ? ` and ${String(tasks.length - names.length)} more` : '';
  const message = `is being deleted, and waits for its tasks to be gone: ${names.join(', ')}${more}; take the network off their services, or delete these`;
  return no('Ready', { reason: 'InUse', message });
}

const yes = (type: string, reason: string, message: string): NewCondition => ({
  type,
  status: 'True',
  reason,
  message,
});
const no = (type: string, { reason, message }: Refusal): NewCondition => ({
  type,
  status: 'False',
  reason,
  message,
});
