import { ipToNumber, isWithin, parseSubnet } from '../subnet.ts';
import type { NetworkNode } from '../types.ts';

/** Whether the address is of a block that the node has: it speaks for these, and no others. */
export function holdsAddress({ blocks = [], closing = [] }: NetworkNode, ip: string): boolean {
  const address = ipToNumber(ip);
  return (
    address !== undefined && [...blocks, ...closing].some((block) => isWithin(address, parseSubnet(block)))
  );
}
