/** What a node has, from the listings of reader.mjs, in the words of wanted.ts; what belongs to nobody is a line, too. */
import { label } from '../../../agent/runtime/types.ts';

interface Address {
  readonly family: string;
  readonly local: string;
  readonly prefixlen: number;
}
interface Link {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly master?: string;
  readonly address?: string;
  readonly link_type?: string;
  readonly addr_info: readonly Address[];
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: { readonly id?: number; readonly local?: string; readonly port?: number };
  };
}
interface Route {
  readonly dst: string;
  readonly dev?: string;
  readonly gateway?: string;
}
type Json = Readonly<Record<string, unknown>>;
export type Nft = readonly {
  readonly chain?: { readonly name: string };
  readonly map?: { readonly name: string; readonly elem?: readonly (readonly [unknown, Json])[] };
  readonly set?: { readonly name: string; readonly elem?: readonly string[] };
  readonly rule?: { readonly chain: string; readonly expr: readonly Json[] };
}[];

export interface Reading {
  readonly links: readonly Link[];
  readonly routes: readonly Route[];
  readonly neighbours: readonly { readonly dst: string; readonly dev: string; readonly lladdr?: string }[];
  readonly entries: readonly {
    readonly ifname: string;
    readonly mac: string;
    readonly dst?: string;
    readonly flags?: readonly string[];
    readonly master?: string;
    readonly state?: string;
  }[];
  readonly ports: readonly { readonly ifname: string; readonly learning?: boolean; readonly neigh_suppress?: boolean }[]; // prettier-ignore
  readonly rules: readonly { readonly family: string; readonly name: string; readonly nft: Nft }[];
  readonly networks: readonly {
    readonly Name: string;
    readonly Internal: boolean;
    readonly Labels: Readonly<Record<string, string>> | null;
    readonly Options: Readonly<Record<string, string>> | null;
    readonly IPAM: {
      readonly Config: readonly { readonly Subnet: string; readonly Gateway?: string }[] | null;
    };
  }[];
  readonly containers: readonly {
    readonly id: string;
    /** 0: it does not run. */
    readonly pid: number;
    readonly labels: Readonly<Record<string, string>>;
    readonly addr: readonly Link[];
    readonly route: readonly Route[];
    readonly nft?: Nft;
  }[];
  readonly iptables: string;
  /** `conntrack -L -p udp` */
  readonly flows: string;
  readonly localnet: Readonly<Record<string, string>>;
}

const option = (name: string): string => `com.docker.network.${name}`;

/** By device: the network that it is of. Tunnels are told by their number. */
function devicesOf(
  { networks, links }: Reading,
  byVni: ReadonlyMap<number, string>,
): ReadonlyMap<string, string> {
  const bridges = networks.flatMap(({ Labels, Options }): [string, string][] => {
    const [key, device] = [Labels?.[label.network], Options?.[option('bridge.name')]];
    return key === undefined || device === undefined ? [] : [[device, key]];
  });
  const tunnels = links.flatMap(({ ifname, linkinfo }): [string, string][] =>
    linkinfo?.info_kind === 'vxlan'
      ? [[ifname, byVni.get(linkinfo.info_data?.id ?? 0) ?? `nobody (${ifname})`]]
      : [],
  );
  return new Map([...bridges, ...tunnels]);
}

/** Networks that have a bridge on the node. */
export const bridgedIn = ({ networks }: Reading): ReadonlySet<string> =>
  new Set(networks.flatMap(({ Labels }) => Labels?.[label.network] ?? []));

/** `knownTasks`: all that the API has on this node, those that have ended too. */
export function foundIn(
  reading: Reading,
  byVni: ReadonlyMap<number, string>,
  knownTasks: ReadonlySet<string>,
): readonly string[] {
  const devices = devicesOf(reading, byVni);
  return [
    ...reading.networks.flatMap((network) => engineNetwork(network)),
    ...reading.links.flatMap((link) => linkFacts(link, devices, reading)),
    ...reading.routes.flatMap(({ dst, dev = '' }) =>
      devices.has(dev) ? [`${devices.get(dev)}: route ${dst}`] : [],
    ),
    ...reading.neighbours.flatMap(({ dst, dev, lladdr }) => devices.has(dev) ? [`${devices.get(dev)}: neighbour ${dst} is ${lladdr}`] : []), // prettier-ignore
    ...reading.entries.flatMap((entry) => entryFacts(entry, devices)),
    ...reading.containers.flatMap((container) => containerFacts(container, knownTasks)),
    ...ingressFacts(reading),
    ...strayRules(reading),
  ];
}

function engineNetwork({
  Name,
  Internal,
  Labels,
  Options,
  IPAM,
}: Reading['networks'][number]): readonly string[] {
  const key = Labels?.[label.network];
  if (key === undefined) return Name.startsWith('orc-') ? [`nobody: engine network ${Name}`] : [];
  const [v4] = IPAM.Config ?? [];
  return [`${key}: engine network ${v4?.Subnet} gateway ${v4?.Gateway} internal ${Internal} mtu ${Options?.[option('driver.mtu')]}`]; // prettier-ignore
}

const addressesOf = ({ addr_info: all }: Link): string =>
  all.filter(({ family }) => family === 'inet').map(({ local, prefixlen }) => `${local}/${prefixlen}`).join(' '); // prettier-ignore

function linkFacts(
  link: Link,
  devices: ReadonlyMap<string, string>,
  { ports, localnet }: Reading,
): readonly string[] {
  const { ifname, flags, mtu, master, address, linkinfo } = link;
  const key = devices.get(ifname);
  const isUp = flags.includes('UP') ? 'up' : 'down';
  if (linkinfo?.info_kind === 'vxlan') {
    const { id, local, port } = linkinfo.info_data ?? {};
    const own = ports.find((each) => each.ifname === ifname);
    const isQuiet = own?.learning === false && own.neigh_suppress === true;
    return [
      `${key}: tunnel vni ${id} local ${local} port ${port} mtu ${mtu} ${isUp}`,
      master === undefined
        ? `${key}: tunnel alone, ${address}, ${addressesOf(link)}`
        : `${key}: tunnel a port of ${devices.get(master) === key ? 'the bridge' : master}, ${isQuiet ? 'quiet' : 'not quiet'}`,
    ];
  }
  if (key !== undefined)
    return [
      `${key}: bridge ${address}, ${addressesOf(link)}${isUp === 'up' ? '' : ' down'}`,
      ...(localnet[ifname] === '1' ? [`${key}: 127.0.0.1 leads to it`] : []),
    ];
  return /^(orc|ov[0-9a-f]{4}-)/.test(ifname) ? [`nobody: device ${ifname}`] : [];
}

function entryFacts(
  entry: Reading['entries'][number],
  devices: ReadonlyMap<string, string>,
): readonly string[] {
  const { ifname, mac, dst, flags = [], master, state } = entry;
  const key = devices.get(ifname);
  if (key === undefined) return [];
  if (dst !== undefined && flags.includes('self')) return [`${key}: ${mac} is behind ${dst}`];
  // Its own address is an entry of the bridge, too.
  return master !== undefined && state === 'static' ? [`${key}: ${mac} is in the tunnel`] : [];
}

function containerFacts(
  container: Reading['containers'][number],
  known: ReadonlySet<string>,
): readonly string[] {
  const { pid, labels, addr, route, nft } = container;
  const name = labels[label.task] ?? container.id;
  if (!known.has(labels[label.taskUID] ?? '')) return [`nobody: container of ${name}`];
  if (pid === 0) return [];
  const addresses = addr.flatMap(
    (link) =>
    link.ifname === 'lo' || addressesOf(link) === '' ? [] : [`${name}: address ${addressesOf(link)} ${link.address} mtu ${link.mtu}`], // prettier-ignore
  );
  const ways = route.filter(({ dst }) => dst === 'default').map(({ gateway }) => `${name}: default route by ${gateway}`); // prettier-ignore
  return [`${name}: runs`, ...addresses, ...ways, ...virtualIPs(nft).map((each) => `${name}: ${each}`)];
}

/** Of a chain that leads on: all addresses that its rules name. */
function leadsTo(nft: Nft, chain: string): { readonly ips: readonly string[]; readonly how: string } {
  const text = JSON.stringify(nft.flatMap(({ rule }) => (rule?.chain === chain ? rule.expr : [])));
  const ips = [...new Set(text.match(/\d+\.\d+\.\d+\.\d+/g) ?? [])].sort();
  return { ips, how: text.includes('"jhash"') ? ', by client' : '' };
}

const drops = (nft: Nft): number =>
  nft.filter(({ rule }) => JSON.stringify(rule?.expr ?? []).includes('"drop"')).length;

const targetOf = (verdict: Json): string =>
  ((verdict['goto'] ?? verdict['jump']) as { readonly target?: string } | undefined)?.target ?? '';

function virtualIPs(nft: Nft = []): readonly string[] {
  const elements = nft.flatMap(({ map }) => (map?.name === 'vips' ? (map.elem ?? []) : []));
  const isHooked = nft.some(
    ({ rule }) => rule?.chain === 'output' && JSON.stringify(rule.expr).includes('@vips'),
  );
  return elements.map(([ip, verdict]) => {
    const { ips, how } = leadsTo(nft, targetOf(verdict));
    return `virtual IP ${String(ip)} leads to ${ips.length === 0 ? 'nobody' : ips.join(' ')}${how}${isHooked ? '' : ', without a hook'}`; // prettier-ignore
  });
}

function ingressFacts({ rules, iptables }: Reading): readonly string[] {
  const accepted = iptables.split('\n').filter((line) => line.startsWith('-A DOCKER-USER') && line.includes('0x4f000000/0xff000000')); // prettier-ignore
  const facts = rules.flatMap(({ family, name, nft }): readonly string[] => {
    if (name.startsWith('orc_entry_') && drops(nft) === 4) return ['others are kept out of networks']; // prettier-ignore
    if (!name.startsWith('orc_ingress')) return [`nobody: table ${family} ${name}`];
    if (family !== 'ip') return [];
    const elements = nft.flatMap(({ map }) => (map?.name === 'ports' ? (map.elem ?? []) : []));
    const remote = nft.flatMap(({ set }) => (set?.name === 'remote' ? (set.elem ?? []) : []));
    const ports = elements.flatMap(([key, verdict]) => {
      const [protocol, port] = (key as { readonly concat: readonly [string, number] }).concat;
      const chain = nft.flatMap(({ rule }) => (rule?.chain === targetOf(verdict) ? rule.expr : []));
      const target = chain.flatMap(
        ({ dnat }) => (dnat as { readonly port?: number } | undefined)?.port ?? [],
      );
      const { ips } = leadsTo(nft, targetOf(verdict));
      return ips.length === 0
        ? []
        : [`port ${port}/${protocol} leads to ${ips.join(' ')} : ${target.join()}`];
    });
    return [...ports, ...remote.map((ip) => `answers of ${ip} come back by this node`)];
  });
  const hasPorts = facts.some((fact) => fact.startsWith('port '));
  const isHeld = rules.some(({ name }) => name.startsWith('orc_ingress'));
  return [
    ...facts,
    ...(accepted.length > 1 ? [`nobody: the rule of published ports ${accepted.length} times`] : []),
    // With a port that nobody is behind the rule is there, and leads nowhere.
    ...(accepted.length > 0 && (hasPorts || !isHeld) ? ['forwarding of published ports is accepted'] : []),
  ];
}

/** Rules of iptables that name a bridge of ours that is not there. */
function strayRules({ iptables, links }: Reading): readonly string[] {
  const there = new Set(links.map(({ ifname }) => ifname));
  const named = iptables.match(/\borc-[0-9a-f]{10}\b/g) ?? [];
  return [...new Set(named)].filter((name) => !there.has(name)).map((name) => `nobody: rules of iptables for ${name}`); // prettier-ignore
}
