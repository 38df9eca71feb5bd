import { endpointsOfPlaces } from './affinity.ts';
import { affinitySeed, chainName, ip4, mapName, type Family, type VirtualIP } from './rules.ts';

type Json = Readonly<Record<string, unknown>>;

/** What `nft -j` prints, as far as it is looked at. */
interface Listing {
  readonly nftables: readonly {
    readonly chain?: Json & { readonly name: string };
    readonly map?: { readonly name: string; readonly elem?: readonly (readonly [string, unknown])[] };
    readonly rule?: { readonly chain: string; readonly expr: readonly Json[] };
  }[];
}

/**
 * The virtual IPs that a listing of the table (`nft -j list table ip orc`, or of IPv6) stands for; undefined when it holds anything
 * that is not ours, or lacks what is. Of the listing of `ruleset(x)` it is a list with the same rules as `x`. Pure.
 */
export function readTable(json: string, family: Family = ip4): readonly VirtualIP[] | undefined {
  try {
    return read(JSON.parse(json) as Listing, family);
  } catch {
    // Of another shape than it can have.
    return undefined;
  }
}

function read({ nftables }: Listing, family: Family): readonly VirtualIP[] | undefined {
  const rules = new Map<string, (readonly Json[])[]>();
  for (const { chain } of nftables) if (chain !== undefined) rules.set(chain.name, []);
  for (const { rule } of nftables) if (rule !== undefined) rules.get(rule.chain)?.push(rule.expr);
  const output = nftables.find(({ chain }) => chain?.name === 'output')?.chain;
  const isHooked = output?.['type'] === 'nat' && output['hook'] === 'output' && output['prio'] === -100;
  if (!isHooked || output['policy'] !== 'accept') return undefined;
  if (JSON.stringify(rules.get('output')) !== dispatch(family)) return undefined;
  const elements = nftables.find(({ map }) => map?.name === mapName)?.map?.elem ?? [];
  if (elements.length !== rules.size - 1) return undefined;
  const vips = elements.map(([ip, verdict]) => {
    const name = chainName({ ip });
    const leadsThere = JSON.stringify(verdict) === JSON.stringify({ goto: { target: name } });
    return leadsThere ? readChain(ip, rules.get(name) ?? []) : undefined;
  });
  const known = vips.filter((vip) => vip !== undefined);
  return known.length === vips.length ? known : undefined;
}

const dispatch = ({ name: protocol }: Family): string =>
  JSON.stringify([
    [
      { match: { op: '==', left: { ct: { key: 'direction' } }, right: 'original' } },
      { vmap: { key: { payload: { protocol, field: 'daddr' } }, data: `@${mapName}` } },
    ],
  ]);

function readChain(
  ip: string,
  [first, second, ...more]: readonly (readonly Json[])[],
): VirtualIP | undefined {
  if (first === undefined || more.length > 0) return undefined;
  // nft leaves out the match of the protocol that a reset implies; a later one may not.
  if (second !== undefined)
    return JSON.stringify(first.at(-1)) === reset && second.length === 1 && 'reject' in (second[0] ?? {})
      ? { ip, endpoints: [] }
      : undefined;
  const addr = (first[0]?.['dnat'] as { readonly addr?: unknown } | undefined)?.addr;
  if (first.length !== 1 || addr === undefined) return undefined;
  return typeof addr === 'string' ? { ip, endpoints: [addr] } : readChoice(ip, addr as Choice);
}

const reset = JSON.stringify({ reject: { type: 'tcp reset' } });

interface Choice {
  readonly map: {
    readonly key: {
      readonly numgen?: { readonly mode: string; readonly mod: number };
      readonly jhash?: { readonly mod: number; readonly seed: number };
    };
    readonly data: { readonly set: readonly (readonly [number, string])[] };
  };
}

function readChoice(ip: string, { map: { key, data } }: Choice): VirtualIP | undefined {
  const { numgen, jhash } = key;
  const pairs = [...data.set].sort(([a], [b]) => a - b);
  const isWhole = pairs.every(([index], i) => index === i) && (numgen ?? jhash)?.mod === pairs.length;
  if (!isWhole || (numgen !== undefined && numgen.mode !== 'random')) return undefined;
  if (jhash !== undefined && jhash.seed !== affinitySeed) return undefined;
  const chosen = pairs.map(([, address]) => address);
  if (jhash === undefined) return { ip, endpoints: chosen };
  // An endpoint without a place is not seen here, and changes nothing.
  const endpoints = [...new Set(chosen)].sort();
  const isOurs = endpointsOfPlaces(endpoints).join() === chosen.join();
  return isOurs ? { ip, endpoints, affinity: 'clientIP' } : undefined;
}
