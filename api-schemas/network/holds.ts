import { ip4Of } from '../ipv6.ts';
import { ipToNumber, isWithin, parseSubnet } from '../subnet.ts';
import type { NetworkNode } from '../types.ts';

/**
 * Whether the address is of a block that the node has, or follows from one that is: it speaks for these, and no others.
 * `subnet6` is the IPv6 prefix of the network; without it no IPv6 address is.
 */
export function holdsAddress(
  { blocks = [], closing = [] }: NetworkNode,
  ip: string,
  subnet6?: string,
): boolean {
  const address = ipToNumber((subnet6 === undefined ? undefined : ip4Of(subnet6, ip)) ?? ip);
  return (
    address !== undefined && [...blocks, ...closing].some((block) => isWithin(address, parseSubnet(block)))
  );
}
