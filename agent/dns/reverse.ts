import { isIPv4 } from 'node:net';
import { ipToNumber, isWithin6, parseSubnet6, type Subnet6 } from '../../api-schemas/index.ts';

/** A subnet as numbers. */
export type Subnet = { readonly base: number; readonly mask: number } | Subnet6;

/** Undefined for what is no CIDR. Pure. */
export function subnetOf(cidr: string): Subnet | undefined {
  if (cidr.includes(':')) return parseSubnet6(cidr);
  const [ip = '', bits = ''] = cidr.split('/');
  const length = Number(bits);
  if (!isIPv4(ip) || !/^\d{1,2}$/.test(bits) || length > 32) return undefined;
  const mask = length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0;
  return { base: (numberOf(ip) & mask) >>> 0, mask };
}

export const contains = (subnet: Subnet, ip: string): boolean =>
  'mask' in subnet ? isIPv4(ip) && (numberOf(ip) & subnet.mask) >>> 0 === subnet.base : isWithin6(ip, subnet);

const numberOf = (ip: string): number => ipToNumber(ip) ?? NaN;

/** The address that a name below `in-addr.arpa` or `ip6.arpa` stands for; undefined for other names. Pure. */
export function reverseAddress(labels: readonly string[]): string | undefined {
  const parts = labels.slice(0, -2).reverse();
  const top = labels.slice(-2).join('.');
  if (top === 'in-addr.arpa') {
    const ip = parts.join('.');
    return isIPv4(ip) ? ip : undefined;
  }
  if (top !== 'ip6.arpa' || parts.length !== 32 || !parts.every((part) => /^[0-9a-f]$/.test(part)))
    return undefined;
  const groups = parts.join('').match(/.{4}/g) ?? [];
  return canonical6(groups.join(':'));
}

/** IPv6 addresses as the kernel and Docker print them. */
function canonical6(ip: string): string {
  const { hostname } = new URL(`http://[${ip}]/`);
  return hostname.slice(1, -1);
}
