/** IPv4 ranges as numbers. */

/** An IPv4 range: the address it begins with, and how many bits all its addresses have in common. */
export interface Subnet {
  readonly base: number;
  readonly prefix: number;
}

/** `10.0.0.1` as a number; undefined when it is no IPv4 address. */
export function ipToNumber(ip: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(ip);
  const bytes = match?.slice(1).map(Number) ?? [];
  if (bytes.length !== 4 || bytes.some((byte) => byte > 255)) return undefined;
  return bytes.reduce((all, byte) => all * 256 + byte, 0);
}

export const numberToIp = (address: number): string =>
  [24, 16, 8, 0].map((shift) => Math.floor(address / 2 ** shift) % 256).join('.');

/** How many addresses a range has. */
export const sizeOf = ({ prefix }: Pick<Subnet, 'prefix'>): number => 2 ** (32 - prefix);

/** Reads `10.20.0.0/20`. Throws, with the range that was likely meant, when the address is not its first. */
export function parseSubnet(text: string): Subnet {
  const [ip = '', bits = '', ...rest] = text.split('/');
  const address = ipToNumber(ip);
  const prefix = /^\d{1,2}$/.test(bits) ? Number(bits) : -1;
  if (address === undefined || prefix < 0 || prefix > 32 || rest.length > 0)
    throw new Error('must be an IPv4 range, like 10.20.0.0/20');
  const base = address - (address % sizeOf({ prefix }));
  if (base !== address)
    throw new Error(`must be an IPv4 range by its first address: ${formatSubnet({ base, prefix })}`);
  return { base, prefix };
}

export const formatSubnet = ({ base, prefix }: Subnet): string => `${numberToIp(base)}/${String(prefix)}`;

/** Whether two ranges have an address in common. */
export const overlaps = (a: Subnet, b: Subnet): boolean =>
  a.base < b.base + sizeOf(b) && b.base < a.base + sizeOf(a);

export const isWithin = (address: number, { base, prefix }: Subnet): boolean =>
  address >= base && address < base + sizeOf({ prefix });
