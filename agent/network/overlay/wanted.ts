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
    const { bridge, gateway, subnet } = network;
    const address = addressOf(network);
    if (bridge !== undefined)
      bridges.set(bridge, { device: bridge, mac: macOf(gateway), address, isUp: true });
    const device = deviceOf(tag, network.vni);
    neighbours.set(bridge ?? device, new Map(addressesOf(network).map(({ ip }) => [ip, macOf(ip)])));
    if (network.peers.length > 0 || bridge === undefined)
      tunnels.set(device, tunnelOf(network, local, device));
    routes.set(bridge ?? device, new Set([`${subnet} src ${gateway}`]));
  }
  return { tunnels, bridges, neighbours, routes };
}

const addressOf = ({ gateway, subnet }: OverlayNetwork): string =>
  `${gateway}/${subnet.split('/')[1] ?? '32'}`;

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
    isUp: true,
    isQuiet: bridge !== undefined,
    bridged: new Set(bridge === undefined ? [] : forwards.keys()),
  };
}
