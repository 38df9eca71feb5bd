/**
 * What the DNS server knows, in the room's own words: the agent maps its objects to these, once for each change.
 */

/** A network that this node is in. */
export interface DnsNetwork {
  /** Unique on the node: `namespace/name` of the Network. */
  readonly key: string;
  /** `10.64.0.0/20`, `fd12::/64`. Addresses in them are ours: reverse queries for them never leave the node. */
  readonly subnets?: readonly string[];
}

/** A container of ours on this node, which may ask. Known before it starts, or its first query is refused. */
export interface DnsContainer {
  readonly namespace: string;
  readonly stack?: string;
  /** Name of the Service object. */
  readonly service: string;
  /** `1`, or the node's name in a global service. */
  readonly slot: string;
  /** Its networks, that of the default route first. */
  readonly addresses: readonly DnsAddress[];
}

export interface DnsAddress {
  /** Key of the network. */
  readonly network: string;
  readonly ip: string;
}

/** A service on networks of this node. */
export interface DnsService {
  readonly namespace: string;
  readonly stack?: string;
  /** Name of the Service object: `<stack>-<short>` in a stack. */
  readonly name: string;
  /** Its name inside the stack; `name` without a stack. */
  readonly short: string;
  /** `dnsrr`: its names give all ready addresses, not the virtual IP. */
  readonly mode: 'vip' | 'dnsrr';
  readonly networks: readonly {
    /** Key of the network. */
    readonly network: string;
    readonly virtualIP?: string;
    /** The same in IPv6, where the network has it. */
    readonly virtualIP6?: string;
    readonly aliases?: readonly string[];
  }[];
  /** Its ready tasks. */
  readonly endpoints: readonly DnsEndpoint[];
}

export interface DnsEndpoint {
  readonly slot: string;
  readonly addresses: readonly DnsAddress[];
}

export interface DnsInput {
  readonly networks: readonly DnsNetwork[];
  readonly containers: readonly DnsContainer[];
  readonly services: readonly DnsService[];
}

/** Top of the names that are ours alone; containers search `<namespace>.orc.internal`. (`internal` is nobody's: ICANN, 2024.) */
export const domain = 'orc.internal';
export const searchDomain = (namespace: string): string => `${namespace}.${domain}`;
