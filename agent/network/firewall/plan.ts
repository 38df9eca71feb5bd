/** What orc asks of the host's firewall, what it puts there itself, and what it says where that is not enough. Pure. */

import { vxlanPort } from '../overlay/index.ts';
import { outcomeOf, type Packet } from './filter.ts';
import { savedChains } from './saved.ts';
import { tableChains, type InputTable } from './tables.ts';

/** A table of nftables with its listing. */
export interface FoundTable extends InputTable {
  readonly json: string;
}

export interface Found {
  /** `iptables-save -t filter`; empty where there is no iptables. */
  readonly saved: string;
  readonly tables: readonly FoundTable[];
}

/** What the firewall does not let pass, and the remedy. */
export interface FirewallProblem {
  readonly reason: string;
  readonly message: string;
}

export interface Wanted {
  /** A bridge of this node with its address, which containers ask for names; absent where it has none. */
  readonly names?: { readonly bridge: string; readonly gateway: string };
  /** This node's end of its tunnels, and the other ends. */
  readonly tunnels: { readonly local: string; readonly peers: readonly string[] };
}

/** What the firewall is to let pass on a node that has these bridges, and networks with these other nodes. */
export function wantedOf(
  bridges: readonly { readonly bridge: string; readonly gateway: string }[],
  peers: readonly { readonly address: string }[],
  local: string | undefined,
): Wanted {
  const [names] = bridges;
  const others = local === undefined ? [] : [...new Set(peers.map(({ address }) => address))].sort();
  return {
    ...(names === undefined ? {} : { names }),
    tunnels: { local: local ?? '', peers: others },
  };
}

const comment = 'orc: names';
const isOurs = (line: string): boolean => line.startsWith('-A INPUT ') && line.includes(`"${comment}"`);
const ruleOf = (protocol: string): string =>
  `INPUT -i orc-+ -p ${protocol} -m ${protocol} --dport 53 -m comment --comment "${comment}" -j ACCEPT`;
const protocols = ['udp', 'tcp'] as const;

/**
 * Text for `iptables-restore --noflush`; undefined when all is well. The host's filter is to let containers ask for
 * names, which orc sees to; as soon as it does so without the rules of orc, these go.
 */
export function changes({ names }: Wanted, { saved }: Pick<Found, 'saved'>): string | undefined {
  const lines = saved.split('\n');
  const ours = lines.filter(isOurs);
  const others = lines.filter((line) => !isOurs(line)).join('\n');
  const isNeeded = names !== undefined && namesOutcome(names, others) !== 'accept';
  const ops = isNeeded
    ? protocols
        .filter((protocol) => !ours.some((line) => line.includes(` -p ${protocol} `)))
        .map((protocol) => `-I ${ruleOf(protocol)}`)
    : ours.map((line) => line.replace(/^-A /, '-D '));
  return ops.length === 0 ? undefined : `*filter\n${ops.join('\n')}\nCOMMIT\n`;
}

/** A container has an address of the same range. */
const namesPacket = ({ bridge, gateway }: NonNullable<Wanted['names']>): Packet => ({
  ...{ device: bridge, protocol: 'udp', port: 53, source: gateway, destination: gateway },
});
const namesOutcome = (names: NonNullable<Wanted['names']>, saved: string) =>
  outcomeOf(savedChains(saved, namesPacket(names)), 'INPUT');

/** What the host's firewall certainly drops although orc needs it, with the remedy. */
export function problems({ names, tunnels }: Wanted, { saved, tables }: Found): readonly FirewallProblem[] {
  const found: FirewallProblem[] = [];
  const droppedBy = (packet: Packet): FoundTable | 'iptables' | undefined =>
    outcomeOf(savedChains(saved, packet), 'INPUT') === 'drop'
      ? 'iptables'
      : tables.find(({ json, chain }) => outcomeOf(tableChains(json, packet), chain) === 'drop');
  const dropped = tunnels.peers.flatMap((peer) => {
    const by = droppedBy({
      ...{ protocol: 'udp', port: vxlanPort, source: peer, destination: tunnels.local },
    });
    return by === undefined ? [] : [{ peer, by }];
  });
  const [first] = dropped;
  if (first !== undefined) {
    const { peer, by } = first;
    const more = dropped.length === 1 ? '' : ` and ${String(dropped.length - 1)} other nodes`;
    found.push({
      reason: 'FirewallDrops',
      message: `the firewall of this node drops UDP ${String(vxlanPort)} from ${peer}${more} (${nameOf(by)}): containers there do not reach those here; ${openTunnels(by, peer)}`,
    });
  }
  // What iptables drops is seen to by orc itself.
  const inTable =
    names === undefined
      ? undefined
      : tables.find(({ json, chain }) => outcomeOf(tableChains(json, namesPacket(names)), chain) === 'drop');
  if (inTable !== undefined)
    found.push({
      reason: 'FirewallDrops',
      message: `the firewall of this node drops what containers ask the name server of orc (${nameOf(inTable)}): ${openNames(inTable)}`,
    });
  return found;
}

const nameOf = (by: FoundTable | 'iptables'): string =>
  by === 'iptables'
    ? 'chain INPUT of iptables'
    : `chain ${by.chain} of the nftables table ${by.family} ${by.table}`;

const isFirewalld = (by: FoundTable | 'iptables'): boolean => by !== 'iptables' && by.table === 'firewalld';

function openTunnels(by: FoundTable | 'iptables', peer: string): string {
  if (by === 'iptables')
    return `open it: \`ufw allow proto udp from ${peer} to any port ${String(vxlanPort)}\`, or the like with your firewall`;
  return isFirewalld(by)
    ? `open it: \`firewall-cmd --permanent --add-port=${String(vxlanPort)}/udp && firewall-cmd --reload\``
    : `open it there: \`ip saddr ${peer} udp dport ${String(vxlanPort)} accept\``;
}

const openNames = (by: FoundTable): string =>
  isFirewalld(by)
    ? 'let it trust the bridges of orc: `firewall-cmd --permanent --zone=trusted --add-interface=orc-+ && firewall-cmd --reload`'
    : 'let it pass there: `iifname "orc-*" meta l4proto { tcp, udp } th dport 53 accept`';
