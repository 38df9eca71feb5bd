import { isIPv4, isIPv6 } from 'node:net';
import { domain, type DnsContainer, type DnsInput, type DnsService } from './names.ts';
import { subnetOf, type Subnet } from './reverse.ts';

/** An alias is a name on one network only. */
export interface Alias {
  readonly service: DnsService;
  readonly network: string;
}

/** What is behind an address: the name for reverse queries, and the network that one must share to see it. */
export interface Reverse {
  readonly network: string;
  readonly name: string;
}

/** The input, ready to be asked. Never changed: a new input makes a new view. */
export interface View {
  readonly containers: ReadonlyMap<string, DnsContainer>;
  /** By `<name>.<namespace>`, `<short>.<stack>.<namespace>`, all in lower case. */
  readonly services: ReadonlyMap<string, DnsService>;
  /** By `<alias>.<namespace>`. */
  readonly aliases: ReadonlyMap<string, readonly Alias[]>;
  /** By `<stack>.<namespace>`: names without records of their own. */
  readonly stacks: ReadonlyMap<string, readonly DnsService[]>;
  /** By address. Networks may overlap in nothing, so an address is one thing. */
  readonly reverse: ReadonlyMap<string, Reverse>;
  readonly subnets: readonly Subnet[];
}

/** Pure. */
export function viewOf({ networks, containers, services }: DnsInput): View {
  const byName = new Map<string, DnsService>();
  const aliases = new Map<string, Alias[]>();
  const stacks = new Map<string, DnsService[]>();
  const reverse = new Map<string, Reverse>();
  const put = (name: string, service: DnsService): void => {
    const key = name.toLowerCase();
    if (!byName.has(key)) byName.set(key, service);
  };
  for (const service of services) put(`${service.name}.${service.namespace}`, service);
  for (const service of services) {
    const { namespace, stack, short } = service;
    if (stack !== undefined) {
      put(`${short}.${stack}.${namespace}`, service);
      append(stacks, `${stack}.${namespace}`, service);
    }
    for (const { network, aliases: names = [], virtualIP, virtualIP6 } of service.networks) {
      for (const name of names) append(aliases, `${name}.${namespace}`.toLowerCase(), { service, network });
      for (const ip of [virtualIP, virtualIP6])
        if (ip !== undefined) reverse.set(ip, { network, name: fullName(service) });
    }
    for (const { slot, addresses } of service.endpoints)
      for (const { network, ip } of addresses)
        reverse.set(ip, { network, name: `${slot}.${fullName(service)}` });
  }
  const askers = new Map<string, DnsContainer>();
  for (const container of containers)
    for (const { network, ip } of container.addresses) {
      askers.set(ip, container);
      // Also before it is ready: programs look up their own name while they start.
      const { service, namespace, slot } = container;
      reverse.set(ip, { network, name: `${slot}.${fullName({ name: service, namespace })}` });
    }
  const subnets = networks.flatMap(({ subnets: all = [] }) => all.flatMap((one) => subnetOf(one) ?? []));
  return { containers: askers, services: byName, aliases, stacks, reverse, subnets };
}

function append<T>(lists: Map<string, T[]>, key: string, item: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [item]);
  else list.push(item);
}

const fullName = ({ name, namespace }: { readonly name: string; readonly namespace: string }): string =>
  `${name}.${namespace}.${domain}`;

/**
 * The addresses that a service's name gives to this asker: the virtual IP on the first network that both are on; all
 * ready addresses with mode `dnsrr`, or while no virtual IP is given. Empty: on a shared network, with nothing ready.
 * Undefined: no network is shared, so for this asker there is no such service.
 */
export function addressesOf(
  service: DnsService,
  asker: DnsContainer,
  only?: string,
): readonly string[] | undefined {
  const shared = sharedNetworks(service, asker, only);
  if (shared.length === 0) return undefined;
  if (service.mode === 'dnsrr') return readyAddresses(service, shared, asker);
  const ready = new Set(
    service.endpoints.flatMap(({ addresses }) => addresses.map(({ network }) => network)),
  );
  const known = shared.flatMap((network) => {
    const virtualIP = service.networks.find((other) => other.network === network)?.virtualIP;
    return virtualIP === undefined ? [] : [{ network, virtualIP }];
  });
  // While a rollout takes a service to another network, one of its virtual IPs has nothing behind it.
  const best = known.find(({ network }) => ready.has(network)) ?? known[0];
  return best === undefined
    ? readyAddresses(service, shared, asker)
    : [best.virtualIP, ...virtualIP6(service, asker, best.network)];
}

/**
 * The virtual IP of IPv6, for who has IPv6 there. Not while all that is ready has none, being on nodes without it: the
 * asker is not to find out by trying.
 */
function virtualIP6(service: DnsService, asker: DnsContainer, network: string): readonly string[] {
  const ip = service.networks.find((other) => other.network === network)?.virtualIP6;
  if (ip === undefined || !hasIPv6(asker.addresses, network)) return [];
  const there = service.endpoints.filter(({ addresses }) => addresses.some((one) => one.network === network));
  return there.length === 0 || there.some(({ addresses }) => hasIPv6(addresses, network)) ? [ip] : [];
}

const hasIPv6 = (
  addresses: readonly { readonly network: string; readonly ip: string }[],
  on: string,
): boolean => addresses.some(({ network, ip }) => network === on && isIPv6(ip));

/** One address for each ready task that can be reached, on the asker's first network. Undefined as in `addressesOf`. */
export function tasksOf(service: DnsService, asker: DnsContainer): readonly string[] | undefined {
  const shared = sharedNetworks(service, asker);
  return shared.length === 0 ? undefined : readyAddresses(service, shared, asker);
}

/** The same, of the ready tasks of one slot; undefined also when there is none. */
export function slotOf(
  service: DnsService,
  asker: DnsContainer,
  slot: string,
): readonly string[] | undefined {
  const shared = sharedNetworks(service, asker);
  return service.endpoints
    .filter((endpoint) => endpoint.slot.toLowerCase() === slot)
    .map((endpoint) => readyAddresses({ endpoints: [endpoint] }, shared, asker))
    .find((ips) => ips.length > 0);
}

/** In the asker's order, each once. */
function sharedNetworks(service: DnsService, asker: DnsContainer, only?: string): readonly string[] {
  return [...new Set(asker.addresses.map(({ network }) => network))]
    .filter((network) => only === undefined || network === only)
    .filter((network) => service.networks.some((other) => other.network === network));
}

/** Those of IPv6 only for who has it on that network. */
function readyAddresses(
  { endpoints }: Pick<DnsService, 'endpoints'>,
  networks: readonly string[],
  asker: DnsContainer,
): readonly string[] {
  return endpoints.flatMap(({ addresses }) => {
    for (const network of networks) {
      const here = addresses.filter((address) => address.network === network);
      if (here.length === 0) continue;
      const isDual = hasIPv6(asker.addresses, network);
      return here.map(({ ip }) => ip).filter((ip) => isDual || isIPv4(ip));
    }
    return [];
  });
}

/** Those of the family that an A (or else AAAA) record holds. */
export const ofFamily = (ips: readonly string[], type: 'A' | 'AAAA'): readonly string[] =>
  ips.filter((ip) => isIPv4(ip) === (type === 'A'));
