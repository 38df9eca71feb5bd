/** How a network's range is divided. Pure arithmetic on addresses as numbers. */
import { formatSubnet, ipToNumber, numberToIp, parseSubnet, sizeOf } from '../../api-schemas/index.ts';

/** Addresses in a block: as many tasks of one network run on a node before it needs another one. */
export const blockSize = 32;
const blockPrefix = 27;

export interface Layout {
  /** Where virtual IPs and gateways are: neither the first nor the last address of the part for them. */
  readonly firstService: number;
  readonly lastService: number;
  readonly firstBlock: number;
  readonly blocks: number;
}

/**
 * The first sixteenth of a range, a block at least, is for virtual IPs and gateways; blocks for tasks follow. The last
 * block is never given: it ends with the broadcast address.
 */
export function layoutOf(subnet: string): Layout {
  const { base, prefix } = parseSubnet(subnet);
  const size = sizeOf({ prefix });
  const reserved = Math.max(blockSize, size / 16);
  return {
    firstService: base + 1,
    lastService: base + reserved - 2,
    firstBlock: base + reserved,
    blocks: Math.max(0, (size - reserved) / blockSize - 1),
  };
}

/** The block at a place, e.g. `10.64.1.32/27`. */
export const blockAt = ({ firstBlock }: Layout, place: number): string =>
  formatSubnet({ base: firstBlock + place * blockSize, prefix: blockPrefix });

/** Which of the network's blocks has the address; undefined when none has. */
export function blockOf({ firstBlock, blocks }: Layout, ip: string): string | undefined {
  const address = ipToNumber(ip);
  if (address === undefined || address < firstBlock || address >= firstBlock + blocks * blockSize)
    return undefined;
  return formatSubnet({
    base: address - ((address - firstBlock) % blockSize),
    prefix: blockPrefix,
  });
}

/** The highest address for a gateway that nobody has; undefined when all are taken. */
export function freeGateway(layout: Layout, used: ReadonlySet<string>): string | undefined {
  for (let address = layout.lastService; address >= layout.firstService; address--) {
    const ip = numberToIp(address);
    if (!used.has(ip)) return ip;
  }
  return undefined;
}

/** The first address for a virtual IP that nobody has, from place `start` on and around. */
export function freeVirtualIP(layout: Layout, used: ReadonlySet<string>, start: number): string | undefined {
  const count = layout.lastService - layout.firstService + 1;
  for (let i = 0; i < count; i++) {
    const ip = numberToIp(layout.firstService + ((start + i) % count));
    if (!used.has(ip)) return ip;
  }
  return undefined;
}
