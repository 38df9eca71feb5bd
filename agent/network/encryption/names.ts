/** What encryption is called in the kernel of a node, and the addresses inside of it. Pure. */
import { createHash } from 'node:crypto';

/** All nodes' addresses inside: of the unique local ones (RFC 4193), "orc" in their middle, and on no wire in clear. */
export const innerRange = 'fd6f:7263:6500::/48';

/**
 * UDP ports of WireGuard, for even and for odd epochs: two generations of keys work side by side. Below the ports that
 * kernels give to programs which ask for any.
 */
export const wireguardPorts = [6752, 6753] as const;

/** UDP port of VXLAN inside, so that it shares no socket with that of networks in clear. */
export const innerVxlanPort = 6754;

/** WireGuard's own default: 1,500 bytes of Ethernet less 80, which it adds over IPv6. */
export const usualMtu = 1420;

/** What VXLAN over IPv6 adds to a packet, with the Ethernet header that it carries. */
export const vxlanOverhead = 70;

/**
 * A node's address inside. It follows from the node's name, so that nobody gives it, and no two nodes have the same (80
 * bits of a digest). No group begins with a zero, so that it is written as the kernel prints it.
 */
export function innerAddress(cluster: string, node: string): string {
  const bytes = createHash('sha256').update(`${cluster}\0${node}\0inside`).digest();
  const groups = [0, 2, 4, 6, 8].map((at) => (0x1000 + (bytes.readUInt16BE(at) % 0xf000)).toString(16));
  return ['fd6f', '7263', '6500', ...groups].join(':');
}

export const meshDevice = (tag: string, epoch: number): string => `ow${tag}-${String(epoch % 2)}`;

export const meshDevices = (tag: string): readonly string[] => [meshDevice(tag, 0), meshDevice(tag, 1)];

export const meshTable = (tag: string): string => `orc_mesh_${tag}`;

export const portOf = (epoch: number): number => wireguardPorts[epoch % 2 === 0 ? 0 : 1];

/**
 * The mark of a device that is complete, kept in its `alias`: of which epoch it is, and when it was made. One without it
 * was being made when its maker died.
 */
export const aliasOf = (epoch: number, madeMs: number): string => `orc:${String(epoch)}:${String(madeMs)}`;

export function readAlias(
  alias: string | undefined,
): { readonly epoch: number; readonly madeMs: number } | undefined {
  const [, epoch, madeMs] = /^orc:(\d+):(\d+)$/.exec(alias ?? '') ?? [];
  return epoch === undefined ? undefined : { epoch: Number(epoch), madeMs: Number(madeMs) };
}
