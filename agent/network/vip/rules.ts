/** The nft tables of one container, as text for `nft -f -`. Each text is one transaction; established connections go on. */
import { isIPv4 } from 'node:net';
import { without } from '../nft.ts';
import { endpointsOfPlaces, places } from './affinity.ts';

/** A service's virtual IP on one network, and the ready addresses behind it on that network. */
export interface VirtualIP {
  readonly ip: string;
  readonly endpoints: readonly string[];
  /** `clientIP`: a container stays with one endpoint, as `affinity.ts` says. */
  readonly affinity?: 'clientIP';
}

/** What differs between the tables of a container, one for each family that it has. */
export interface Family {
  /** Of the table, and of the packets that come by it. */
  readonly name: 'ip' | 'ip6';
  readonly table: string;
  /** Of the addresses in its map. */
  readonly type: string;
}
export const ip4: Family = { name: 'ip', table: 'ip orc', type: 'ipv4_addr' };
export const ip6: Family = { name: 'ip6', table: 'ip6 orc', type: 'ipv6_addr' };
const familyOf = ({ ip }: VirtualIP): Family => (isIPv4(ip) ? ip4 : ip6);
export const mapName = 'vips';
/** Fixed: the kernel would draw another one at each change, and every client would move. */
export const affinitySeed = 0x6f7263;

/**
 * Sorted, each address once, and what makes no difference left out, so that equal rules are equal texts. Of two entries
 * with one virtual IP the first has it. Pure; the containers of a network share one list, so each is worked on once.
 */
export const normal = remembered((vips: readonly VirtualIP[]): readonly VirtualIP[] => {
  const byIP = new Map<string, VirtualIP>();
  for (const { ip, endpoints, affinity } of vips) {
    if (byIP.has(ip)) continue;
    const sorted = [...new Set(endpoints)].sort();
    byIP.set(ip, {
      ip,
      endpoints: sorted,
      ...(affinity === undefined || sorted.length < 2 ? {} : { affinity }),
    });
  }
  return [...byIP.values()].sort((a, b) => (a.ip < b.ip ? -1 : 1));
});

const of4 = remembered((vips: readonly VirtualIP[]) => normal(vips).filter((vip) => familyOf(vip) === ip4));
const of6 = remembered((vips: readonly VirtualIP[]) => normal(vips).filter((vip) => familyOf(vip) === ip6));

/**
 * Replaces the whole tables, also when there were none; without virtual IPs there is none after it. That of IPv6 only where
 * the container has it (`hasIPv6`): a kernel may have none. Pure.
 */
export const ruleset = (vips: readonly VirtualIP[], hasIPv6: boolean = of6(vips).length > 0): string =>
  replacement4(vips) + (hasIPv6 ? replacement6(vips) : '');

const replacement4 = remembered((vips: readonly VirtualIP[]) => replacement(ip4, of4(vips)));
const replacement6 = remembered((vips: readonly VirtualIP[]) => replacement(ip6, of6(vips)));

function replacement({ name, table, type }: Family, all: readonly VirtualIP[]): string {
  if (all.length === 0) return without(table);
  return [
    `${without(table)}table ${table} {`,
    ...all.flatMap((vip) => [
      `  chain ${chainName(vip)} {`,
      ...rulesOf(vip).map((rule) => `    ${rule}`),
      '  }',
    ]),
    `  map ${mapName} {`,
    `    type ${type} : verdict`,
    `    elements = { ${all.map(element).join(', ')} }`,
    '  }',
    '  chain output {',
    '    type nat hook output priority -100; policy accept;',
    // `ct` turns tracking on: without it, and with no service that has endpoints, no packet would come by here.
    `    ct direction original ${name} daddr vmap @${mapName}`,
    '  }',
    '}',
    '',
  ].join('\n');
}

/**
 * Makes the table of `before` into that of `after`, touching only the services that differ: with many of them that is
 * much less work for the kernel than a replacement. Empty when nothing differs. Pure.
 */
export const update = (before: readonly VirtualIP[], after: readonly VirtualIP[]): string =>
  updatesFrom(before)(after);

const updatesFrom = remembered((before: readonly VirtualIP[]) =>
  remembered(
    (after: readonly VirtualIP[]) =>
      changes(ip4, of4(before), of4(after)) + changes(ip6, of6(before), of6(after)),
  ),
);

function changes(family: Family, old: readonly VirtualIP[], all: readonly VirtualIP[]): string {
  const { table } = family;
  if (old.length === 0 || all.length === 0) return old.length === all.length ? '' : replacement(family, all);
  const had = new Map(old.map((vip) => [vip.ip, vip]));
  const has = new Set(all.map(({ ip }) => ip));
  const removed = old.filter(({ ip }) => !has.has(ip));
  const added = all.filter(({ ip }) => !had.has(ip));
  const changed = all.filter((vip) => {
    const known = had.get(vip.ip);
    return known !== undefined && contentOf(known) !== contentOf(vip);
  });
  const addRules = (vip: VirtualIP): readonly string[] =>
    rulesOf(vip).map((rule) => `add rule ${table} ${chainName(vip)} ${rule}`);
  const lines = [
    ...(removed.length === 0
      ? []
      : [`delete element ${table} ${mapName} { ${removed.map(({ ip }) => ip).join(', ')} }`]),
    ...removed.flatMap((vip) => [
      `flush chain ${table} ${chainName(vip)}`,
      `delete chain ${table} ${chainName(vip)}`,
    ]),
    ...added.flatMap((vip) => [`add chain ${table} ${chainName(vip)}`, ...addRules(vip)]),
    ...changed.flatMap((vip) => [`flush chain ${table} ${chainName(vip)}`, ...addRules(vip)]),
    ...(added.length === 0 ? [] : [`add element ${table} ${mapName} { ${added.map(element).join(', ')} }`]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Follows from the virtual IP, so that a change finds the chain of an earlier run. */
export const chainName = ({ ip }: Pick<VirtualIP, 'ip'>): string => `vip_${ip.replaceAll(/[.:]/g, '_')}`;

const element = (vip: VirtualIP): string => `${vip.ip} : goto ${chainName(vip)}`;

/** For every protocol alike, so that a ping of a service is answered, too. Without endpoints: refused at once. */
function rulesOf({ ip: virtualIP, endpoints, affinity }: VirtualIP): readonly string[] {
  const [first] = endpoints;
  if (first === undefined) return ['meta l4proto tcp reject with tcp reset', 'reject'];
  if (endpoints.length === 1) return [`dnat to ${first}`];
  const [by, chosen] =
    affinity === 'clientIP'
      ? [
          `jhash ${isIPv4(virtualIP) ? 'ip' : 'ip6'} saddr mod ${places} seed 0x${affinitySeed.toString(16)}`,
          endpointsOfPlaces(endpoints),
        ]
      : [`numgen random mod ${endpoints.length}`, endpoints];
  return [`dnat to ${by} map { ${chosen.map((ip, i) => `${i} : ${ip}`).join(', ')} }`];
}

/** Equal for equal rules. */
const contentOf = ({ endpoints, affinity }: VirtualIP): string => `${affinity ?? 'none'} ${endpoints.join()}`;

/** Of the same list the same result, for as long as that list is in use. */
function remembered<T>(compute: (vips: readonly VirtualIP[]) => T): (vips: readonly VirtualIP[]) => T {
  const known = new WeakMap<readonly VirtualIP[], { readonly result: T }>();
  return (vips) => {
    const entry = known.get(vips) ?? { result: compute(vips) };
    known.set(vips, entry);
    return entry.result;
  };
}
