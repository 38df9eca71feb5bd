/**
 * IPv6 on networks. Nothing of it is given by itself: a network's prefix follows from its number, and each address in it
 * from an IPv4 address. So nothing can clash, or be left over, that does not in IPv4. Pure.
 */
import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { ipToNumber, numberToIp } from './subnet.ts';

/** An IPv6 range: the address it begins with, and how many bits all its addresses have in common. */
export interface Subnet6 {
  readonly base: bigint;
  readonly prefix: number;
}

/** Bits of the pool, of a network's number behind it, and so of its prefix. */
export const pool6Bits = 40;
const vniBits = 24;
export const prefix6Bits = pool6Bits + vniBits;

const bits = 128;
const sizeOf = (prefix: number): bigint => 1n << BigInt(bits - prefix);

/** Undefined when it is no IPv6 address, or one of an interface (`%eth0`). */
export function ip6ToNumber(ip: string): bigint | undefined {
  if (!isIPv6(ip) || ip.includes('%')) return undefined;
  const [, before = '', tail = ''] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(ip) ?? [];
  const low = ipToNumber(tail);
  if (low !== undefined) {
    const [high, rest] = [Math.floor(low / 2 ** 16), low % 2 ** 16];
    return ip6ToNumber(`${before}${high.toString(16)}:${rest.toString(16)}`);
  }
  const [head = [], end = []] = ip.split('::').map((part) => part.split(':').filter((each) => each !== ''));
  const groups = [...head, ...Array<string>(8 - head.length - end.length).fill('0'), ...end];
  return groups.reduce((all, group) => (all << 16n) | BigInt(`0x${group}`), 0n);
}

/** As the kernel, `nft` and engines print it (RFC 5952): the longest run of zeros is left out, the first of equal ones. */
export function numberToIp6(address: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((address >> BigInt(112 - 16 * i)) & 0xffffn).toString(16),
  );
  let [start, length] = [0, 0];
  for (let i = 0; i < groups.length; i++) {
    let end = i;
    while (groups[end] === '0') end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  if (length < 2) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

/** Reads `fd12:3456:7800::/40`. Throws, with the range that was likely meant, when the address is not its first. */
export function parseSubnet6(text: string): Subnet6 {
  const [ip = '', length = '', ...rest] = text.split('/');
  const address = ip6ToNumber(ip);
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (address === undefined || prefix < 0 || prefix > bits || rest.length > 0)
    throw new Error('must be an IPv6 range, like fd12:3456:7800::/40');
  const base = address - (address % sizeOf(prefix));
  if (base !== address)
    throw new Error(`must be an IPv6 range by its first address: ${formatSubnet6({ base, prefix })}`);
  return { base, prefix };
}

export const formatSubnet6 = ({ base, prefix }: Subnet6): string => `${numberToIp6(base)}/${String(prefix)}`;

/** Whether two ranges have an address in common: then one is in the other. */
export function overlaps6(a: Subnet6, b: Subnet6): boolean {
  const shift = BigInt(bits - Math.min(a.prefix, b.prefix));
  return a.base >> shift === b.base >> shift;
}

/** Whether the address is in the range. */
export function isWithin6(ip: string, { base, prefix }: Subnet6): boolean {
  const address = ip6ToNumber(ip);
  return address !== undefined && address >= base && address < base + sizeOf(prefix);
}

/** The pool of a cluster that was given none: unique local addresses (RFC 4193) that hang on what no other cluster has. */
export function defaultPool6(uid: string): string {
  const random = createHash('sha256').update(uid).digest('hex').slice(0, 8);
  return formatSubnet6({ base: BigInt(`0xfd${random}`) << BigInt(bits - pool6Bits), prefix: pool6Bits });
}

/** The prefix of a network: the pool, and behind it the network's number, which no other network has. */
export function subnet6Of(pool: string, vni: number): string {
  const { base } = parseSubnet6(pool);
  return formatSubnet6({ base: base + (BigInt(vni) << BigInt(bits - prefix6Bits)), prefix: prefix6Bits });
}

/** The IPv6 address of who has this IPv4 address on a network with this prefix: its last 32 bits. */
export const ip6Of = (subnet6: string, ip: string): string =>
  numberToIp6(parseSubnet6(subnet6).base + BigInt(ipToNumber(ip) ?? 0));

/** The other way: undefined for an address that is not made so. */
export function ip4Of(subnet6: string, ip6: string): string | undefined {
  const address = ip6ToNumber(ip6);
  if (address === undefined) return undefined;
  const last = address - parseSubnet6(subnet6).base;
  return last >= 0n && last < 2n ** 32n ? numberToIp(Number(last)) : undefined;
}
