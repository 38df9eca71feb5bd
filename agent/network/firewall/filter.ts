/**
 * What a packet filter does with one packet, as far as its rules tell. What is not understood is neither taken for a
 * match nor for none: whoever says "dropped" is to be sure. Pure.
 */
import { ipToNumber } from '../../../api-schemas/index.ts';
import { rangeOf } from '../addresses.ts';

/** The packet that is asked about: the first of a connection to this node. */
export interface Packet {
  /** Device that it comes by; undefined: that of the machine's own network, whatever its name is. */
  readonly device?: string;
  readonly protocol: 'udp' | 'tcp';
  readonly port: number;
  readonly source: string;
  readonly destination: string;
}

export type Truth = 'yes' | 'no' | 'maybe';

export type Verdict =
  | { readonly kind: 'accept' | 'drop' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string };

export interface Rule {
  /** Whether the packet is meant. */
  readonly applies: Truth;
  /** Absent where it only counts or logs. */
  readonly verdict?: Verdict;
}

export interface Chain {
  readonly rules: readonly Rule[];
  /** Of a chain that the kernel calls. */
  readonly policy?: 'accept' | 'drop';
}

export type Outcome = 'accept' | 'drop' | 'maybe';

/** Enough for any real set of rules; one that goes in circles is not understood. */
const deepest = 32;

/** What becomes of the packet in this chain. */
export function outcomeOf(chains: ReadonlyMap<string, Chain>, name: string): Outcome {
  const result = walk(chains, name, 0);
  return result === 'return' ? (chains.get(name)?.policy ?? 'accept') : result;
}

function walk(chains: ReadonlyMap<string, Chain>, name: string, depth: number): Outcome | 'return' {
  if (depth > deepest) return 'maybe';
  for (const { applies, verdict } of chains.get(name)?.rules ?? []) {
    if (applies === 'no' || verdict === undefined) continue;
    const { kind } = verdict;
    if (kind === 'jump' || kind === 'goto') {
      const inside = walk(chains, verdict.chain, depth + 1);
      if (applies === 'maybe') {
        if (inside === 'accept' || inside === 'maybe') return 'maybe';
      } else if (inside !== 'return' || kind === 'goto') return inside;
    } else if (applies === 'yes') return kind;
    // It may be accepted here; that it may be dropped here says nothing, as another may accept it.
    else if (kind === 'accept') return 'maybe';
  }
  return 'return';
}

export const not = (truth: Truth): Truth => (truth === 'maybe' ? 'maybe' : truth === 'yes' ? 'no' : 'yes');

/** All of them. */
export const all = (truths: readonly Truth[]): Truth =>
  truths.includes('no') ? 'no' : truths.includes('maybe') ? 'maybe' : 'yes';

/** Any of them. */
export const any = (truths: readonly Truth[]): Truth =>
  truths.includes('yes') ? 'yes' : truths.includes('maybe') ? 'maybe' : 'no';

export const sure = (is: boolean): Truth => (is ? 'yes' : 'no');

/** Whether the packet comes by a device of that name; `end` is what stands for any ending. */
export function comesBy({ device }: Packet, name: string, end: '+' | '*'): Truth {
  const isOf = (known: string): boolean =>
    name.endsWith(end) ? known.startsWith(name.slice(0, -1)) : known === name;
  if (device !== undefined) return sure(isOf(device));
  // Those of the machine and its containers are not meant.
  const isInner = name === 'lo' || /^(docker|br-|veth|orc-)/.test(name);
  return isInner ? 'no' : 'maybe';
}

/** Whether an IPv4 address is in a range, `10.0.0.0/8` or one address; one of IPv6 has none. */
export function isIn(ip: string, range: string): boolean {
  const { first, last } = rangeOf(range);
  const address = ipToNumber(ip) ?? NaN;
  return address >= first && address <= last;
}
