/** What the rooms of the network are told, out of what the servers sent and what the engine has. Pure. */
import { isIP, isIPv4 } from 'node:net';
import {
  ip4Of,
  ip6Of,
  type Endpoints,
  type Network,
  type NetworkPeers,
  type Task,
} from '../../api-schemas/index.ts';
import type { DnsContainer, DnsInput, DnsService } from '../dns/index.ts';
import type { ContainerState, Owner } from '../runtime/types.ts';
import { innerAddress, usualMtu, vxlanOverhead, type Mesh, type MeshPeer } from './encryption/index.ts';
import { mtuOf, ownPart } from './engine-networks.ts';
import { keyOf } from './names.ts';
import type { OverlayNetwork } from './overlay/index.ts';
import type { VirtualIP } from './vip/index.ts';

/** A task of this node that has a container, with its addresses by key of the network. */
export interface Attached {
  readonly task: Task;
  readonly container: ContainerState;
  readonly addresses: readonly { readonly network: string; readonly ip: string }[];
}

/** What of networks there is on this node so far. */
export interface Here {
  /** Which bridge a network has. */
  readonly bridgeOf: (network: Network) => string | undefined;
  /** It will have one. */
  readonly isAwaited: (network: Network) => boolean;
  /** What has addresses of it here has them of IPv6, too. */
  readonly hasIPv6: (network: Network) => boolean;
  /** Nothing of encrypted networks can leave in clear. */
  readonly isGuarded: boolean;
}

/** The tunnels of this node. A network that awaits a bridge, and has none yet, is left out; so is an encrypted one that is not guarded. */
export function overlayNetworks(
  networks: readonly Network[],
  peers: readonly NetworkPeers[],
  { bridgeOf, isAwaited, hasIPv6, isGuarded }: Here,
  { cluster, nodeName }: Owner,
): readonly OverlayNetwork[] {
  const byNetwork = new Map<string, NetworkPeers[]>();
  for (const peer of peers) {
    const known = byNetwork.get(peer.network);
    if (known === undefined) byNetwork.set(peer.network, [peer]);
    else known.push(peer);
  }
  return networks.flatMap((network): OverlayNetwork[] => {
    const { vni, subnet, subnet6 } = network.status ?? {};
    const own = ownPart(network);
    const bridge = bridgeOf(network);
    if (vni === undefined || subnet === undefined || own === undefined) return [];
    if (bridge === undefined && isAwaited(network)) return [];
    const { encrypted = false } = network.spec;
    if (encrypted && !isGuarded) return [];
    const key = keyOf(network);
    return [
      {
        ...{ key, vni, subnet, gateway: own.gateway, mtu: mtuOf(network) },
        ...(subnet6 === undefined || !hasIPv6(network) ? {} : { subnet6 }),
        ...(bridge === undefined ? {} : { bridge }),
        ...(encrypted ? { inner: innerAddress(cluster, nodeName) } : {}),
        peers: (byNetwork.get(key) ?? []).map(({ node, address, gateway, ips }) => ({
          ...{ gateway, ips },
          address: encrypted ? innerAddress(cluster, node) : address,
        })),
      },
    ];
  });
}

/** The mesh of the encrypted networks that this node is in; undefined when it is in none. */
export function meshOf(
  networks: readonly Network[],
  peers: readonly NetworkPeers[],
  { cluster, nodeName }: Owner,
): Mesh | undefined {
  const encrypted = networks.filter(
    (network) => network.spec.encrypted === true && network.status?.epoch !== undefined && ownPart(network),
  );
  if (encrypted.length === 0) return undefined;
  const keys = new Set(encrypted.map(keyOf));
  const nodes = new Map<string, MeshPeer>();
  for (const { network, node, address, keys: published = [] } of peers)
    if (keys.has(network) && isIP(address) !== 0)
      nodes.set(node, { node, address, inner: innerAddress(cluster, node), keys: published });
  return {
    // Networks are told of a new one after each other.
    epoch: Math.max(...encrypted.map(({ status }) => status?.epoch ?? 0)),
    inner: innerAddress(cluster, nodeName),
    mtu: Math.max(usualMtu, ...encrypted.map((network) => mtuOf(network) + vxlanOverhead)),
    peers: [...nodes.values()],
  };
}

/** The names that the containers of this node may ask for. */
export function dnsInput(
  networks: readonly Network[],
  endpoints: readonly Endpoints[],
  attached: readonly Attached[],
): DnsInput {
  const prefixes = prefixesOf(networks);
  return {
    networks: networks.map((network) => ({
      key: keyOf(network),
      subnets: [network.status?.subnet, network.status?.subnet6].flatMap((subnet) => subnet ?? []),
    })),
    containers: attached.map(({ task, addresses }): DnsContainer => {
      const { namespace = 'default', labels = {} } = task.metadata;
      const stack = labels['orc.dev/stack'];
      return {
        ...{ namespace, service: task.spec.service, addresses },
        ...(stack === undefined ? {} : { stack }),
        slot: String(task.spec.slot ?? task.spec.nodeName ?? ''),
      };
    }),
    services: endpoints.map((object) => dnsService(object, prefixes)),
  };
}

/** IPv6 prefixes by key of the network. */
export type Prefixes = ReadonlyMap<string, string>;

export const prefixesOf = (networks: readonly Network[]): Prefixes =>
  new Map(
    networks.flatMap((network) => {
      const { subnet6 } = network.status ?? {};
      return subnet6 === undefined ? [] : [[keyOf(network), subnet6]];
    }),
  );

/**
 * Of the addresses of a container those by which others reach it: on networks of orc all of IPv4, and what follows from
 * them; on others (`isExternal`) all.
 */
export const ownAddresses = <A extends { readonly network: string; readonly ip: string }>(
  addresses: readonly A[],
  prefixes: Prefixes,
  isExternal: (network: string) => boolean,
): readonly A[] =>
  addresses.filter(({ network, ip }) => {
    if (isIPv4(ip) || isExternal(network)) return true;
    const prefix = prefixes.get(network);
    const from = prefix === undefined ? undefined : ip4Of(prefix, ip);
    return addresses.some((other) => other.network === network && other.ip === from);
  });

function dnsService(object: Endpoints, prefixes: Prefixes): DnsService {
  const { namespace = 'default', name, labels = {} } = object.metadata;
  const stack = labels['orc.dev/stack'];
  const isShort = stack !== undefined && name.startsWith(`${stack}-`);
  const key = (network: string): string => `${namespace}/${network}`;
  return {
    ...{ namespace, name, mode: object.mode ?? 'vip' },
    ...(stack === undefined ? {} : { stack }),
    short: isShort ? name.slice(stack.length + 1) : name,
    networks: (object.networks ?? []).map(({ network, ...rest }) => ({
      ...{ network: key(network), ...rest },
      ...virtualIP6(rest.virtualIP, prefixes.get(key(network))),
    })),
    endpoints: (object.endpoints ?? []).map(({ slot, nodeName, addresses = [] }) => ({
      slot: String(slot ?? nodeName),
      addresses: addresses.map(({ network, ip }) => ({ network: key(network), ip })),
    })),
  };
}

const virtualIP6 = (
  virtualIP: string | undefined,
  prefix: string | undefined,
): { readonly virtualIP6?: string } =>
  virtualIP === undefined || prefix === undefined ? {} : { virtualIP6: ip6Of(prefix, virtualIP) };

/** The virtual IPs of the services on these networks; of IPv6, too, on those that have a prefix. */
export function virtualIPs(
  endpoints: readonly Endpoints[],
  networks: ReadonlySet<string>,
  prefixes: Prefixes = new Map(),
): readonly VirtualIP[] {
  return endpoints.flatMap((object) => {
    const { namespace = 'default' } = object.metadata;
    return (object.networks ?? []).flatMap(({ network, virtualIP }): VirtualIP[] => {
      if (virtualIP === undefined || !networks.has(`${namespace}/${network}`)) return [];
      const ips = (object.endpoints ?? []).flatMap(({ addresses = [] }) =>
        addresses.filter((address) => address.network === network).map(({ ip }) => ip),
      );
      const affinity = object.sessionAffinity === undefined ? {} : ({ affinity: 'clientIP' } as const);
      const prefix = prefixes.get(`${namespace}/${network}`);
      return [
        { ip: virtualIP, endpoints: ips.filter((ip) => isIPv4(ip)), ...affinity },
        ...(prefix === undefined
          ? []
          : [{ ip: ip6Of(prefix, virtualIP), endpoints: ips.filter((ip) => !isIPv4(ip)), ...affinity }]),
      ];
    });
  });
}
