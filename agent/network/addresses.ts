/** Which address a container gets: the node chooses among those of its own blocks. */
import { ipToNumber, numberToIp } from '../../api-schemas/index.ts';

/** What a node may use of a network. */
export interface Blocks {
  /** IPv4 CIDRs, the first that has an address free first. */
  readonly blocks: readonly string[];
  readonly gateway: string;
}

/** First and last address of an IPv4 CIDR, which hold nothing when it is none. Pure. */
export function rangeOf(cidr: string): { readonly first: number; readonly last: number } {
  const [ip = '', prefix = '32'] = cidr.split('/');
  const size = 2 ** (32 - Number(prefix));
  const first = Math.floor((ipToNumber(ip) ?? NaN) / size) * size;
  return { first, last: first + size - 1 };
}

/**
 * The addresses of a node on one network. What the engine has of it is told with `taken`; what was given and is not
 * seen there yet is remembered here until `release`. An address that was just given back is the last to be given
 * again, since others may still send to it.
 */
export class Addresses {
  readonly #given = new Set<string>();
  /** Where the search goes on, in each block. */
  readonly #next = new Map<string, number>();

  /** A free address; undefined when there is none. */
  take({ blocks, gateway }: Blocks, taken: ReadonlySet<string>): string | undefined {
    for (const block of blocks) {
      const { first, last } = rangeOf(block);
      const size = last - first + 1;
      const start = Math.max(first, Math.min(this.#next.get(block) ?? first, last));
      for (let i = 0; i < size; i++) {
        const address = first + ((start - first + i) % size);
        const ip = numberToIp(address);
        if (ip === gateway || taken.has(ip) || this.#given.has(ip)) continue;
        this.#given.add(ip);
        this.#next.set(block, address === last ? first : address + 1);
        return ip;
      }
    }
    return undefined;
  }

  /** The engine has it, or nobody will: from now on only `taken` counts. */
  release(ip: string): void {
    this.#given.delete(ip);
  }
}
