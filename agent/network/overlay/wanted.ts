import { ip6Of } from '../../../api-schemas/index.ts';
import { innerVxlanPort } from '../encryption/index.ts';
import type { OverlayNetwork, Tunnel, Bridge, Kernel } from './types.ts';

/** `02:42` and the four bytes of the address: as engines up to 26 derive it, and we set it on later ones. */
export const macOf = (ip: string): string =>
  ['02', '42', ...ip.split('.').map((byte) => Number(byte).toString(16).padStart(2, '0'))].join(':');

/**
 * Name of a tunnel's device: at most 15 characters. `tag` is this node's own (four hexadecimal digits), so that two
 * agents in one network namespace take each other's for none of theirs.
 */
export const deviceOf = (tag: string, vni: number): string => `ov${tag}-${vni.toString(16)}`;

/** The port that the whole world uses for VXLAN. */
export const vxlanPort = 4789;

export const isDeviceOf = (tag: string, device: string): boolean => device.startsWith(`ov${tag}-`);

/** What the kernel is to have for these networks: a tunnel for each that other nodes are in. Pure. */
export function wantedKernel(networks: readonly OverlayNetwork[], local: string, tag: string): Kernel {
  const tunnels = new Map<string, Tunnel>();
  const bridges = new Map<string, Bridge>();
  const neighbours = new Map<string, ReadonlyMap<string, string>>();
  const routes = new Map<string, ReadonlySet<string>>();
  for (const network of networks) {
    const { bridge, gateway, subnet, subnet6 } = network;
    const [address, address6] = [addressOf(network), address6Of(network)];
    if (bridge !== undefined)
      bridges.set(bridge, { device: bridge, mac: macOf(gateway), address, address6, isUp: true });
    const device = deviceOf(tag, network.vni);
    const ips = addressesOf(network).map(({ ip }) => ip);
    neighbours.set(bridge ?? device, new Map(ips.flatMap((ip) => known(ip, subnet6))));
    if (network.peers.length > 0 || bridge === undefined)
      tunnels.set(device, tunnelOf(network, local, device));
    const ways = [`${subnet} src ${gateway}`, ...(subnet6 === undefined ? [] : [subnet6])];
    routes.set(bridge ?? device, new Set(ways));
  }
  return { tunnels, bridges, neighbours, routes };
}

const addressOf = ({ gateway, subnet }: OverlayNetwork): string =>
  `${gateway}/${subnet.split('/')[1] ?? '32'}`;

const address6Of = ({ gateway, subnet6 }: OverlayNetwork): string =>
  subnet6 === undefined ? '' : `${ip6Of(subnet6, gateway)}/${subnet6.split('/')[1] ?? '128'}`;

/** Who has an IPv4 address has one of IPv6 that follows from it, if any, with the same MAC. */
const known = (ip: string, subnet6: string | undefined): readonly (readonly [string, string])[] =>
  [ip, ...(subnet6 === undefined ? [] : [ip6Of(subnet6, ip)])].map((one) => [one, macOf(ip)]);

const addressesOf = ({ peers }: OverlayNetwork): readonly { readonly ip: string; readonly at: string }[] =>
  peers.flatMap(({ address: at, gateway, ips }) => [gateway, ...ips].map((ip) => ({ ip, at })));

function tunnelOf(network: OverlayNetwork, local: string, device: string): Tunnel {
  const { vni, mtu, bridge, gateway, inner } = network;
  const forwards = new Map(addressesOf(network).map(({ ip, at }) => [macOf(ip), at]));
  return {
    ...{ device, vni, mtu, forwards },
    local: inner ?? local,
    port: inner === undefined ? vxlanPort : innerVxlanPort,
    master: bridge ?? '',
    mac: bridge === undefined ? macOf(gateway) : '',
    address: bridge === undefined ? addressOf(network) : '',
    address6: bridge === undefined ? address6Of(network) : '',
    isUp: true,
    isQuiet: bridge !== undefined,
    bridged: new Set(bridge === undefined ? [] : forwards.keys()),
  };
}
