/** What the overlay room is told, and what it sees. */

/** One network as this node is to have it in its kernel. */
export interface OverlayNetwork {
  /** `namespace/name`. */
  readonly key: string;
  readonly vni: number;
  /** IPv4 CIDR. */
  readonly subnet: string;
  /** Its IPv6 range; absent where it has none, or this node has no IPv6. */
  readonly subnet6?: string;
  /** This node's own address on it. */
  readonly gateway: string;
  readonly mtu: number;
  /** Interface of the engine's bridge; absent where the node only answers published ports and has no container on it. */
  readonly bridge?: string;
  /** It is encrypted: this node's end of the tunnel is this address inside of the mesh, and so are those of its peers. */
  readonly inner?: string;
  /** The other nodes in it. With none there is no tunnel. */
  readonly peers: readonly OverlayPeer[];
}

export interface OverlayPeer {
  /** Where the node is reached: the other end of the tunnel. */
  readonly address: string;
  readonly gateway: string;
  /** Of its tasks. */
  readonly ips: readonly string[];
}

/** A tunnel: one VXLAN device and its entries, either as wanted or as found. */
export interface Tunnel {
  readonly device: string;
  readonly vni: number;
  /** This end of it. */
  readonly local: string;
  /** UDP port; that of encrypted networks is one that nothing in clear is taken from. */
  readonly port: number;
  readonly mtu: number;
  /** The bridge that it is a port of; empty when it stands alone. */
  readonly master: string;
  /** Hardware address where it stands alone; the bridge has it otherwise. */
  readonly mac: string;
  /** `address/prefix` of the device where it stands alone. */
  readonly address: string;
  /** The same of IPv6. */
  readonly address6: string;
  readonly isUp: boolean;
  /** As a port of a bridge: it answers for its neighbours, and learns nothing by itself. */
  readonly isQuiet: boolean;
  /** By MAC: the node behind which it is. */
  readonly forwards: ReadonlyMap<string, string>;
  /** MACs that the bridge sends into the tunnel. */
  readonly bridged: ReadonlySet<string>;
}

/** A bridge of ours. The engine makes it; what it is, this room keeps. */
export interface Bridge {
  readonly device: string;
  /** Which peers have entries for. */
  readonly mac: string;
  /** `address/prefix` of this node on the network: the way out of its containers, and where they ask for names. */
  readonly address: string;
  /** The same of IPv6; empty where the network has none here: then what the bridge has is left alone. */
  readonly address6: string;
  readonly isUp: boolean;
}

export interface Kernel {
  /** By device name. */
  readonly tunnels: ReadonlyMap<string, Tunnel>;
  /** By device name; those that networks have. */
  readonly bridges: ReadonlyMap<string, Bridge>;
  /** By device, a bridge or a tunnel that stands alone, and address: the MAC that it knows for good. */
  readonly neighbours: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** By device, in the words of `ip`: the way of this node to the network, as published ports take it. */
  readonly routes: ReadonlyMap<string, ReadonlySet<string>>;
}

/** One change of the kernel. */
export type Op =
  | {
      readonly kind: 'addTunnel';
      readonly device: string;
      readonly vni: number;
      readonly local: string;
      readonly port: number;
    }
  | { readonly kind: 'removeTunnel'; readonly device: string }
  | { readonly kind: 'setMtu'; readonly device: string; readonly mtu: number }
  | { readonly kind: 'setMaster'; readonly device: string; readonly master: string }
  | { readonly kind: 'setMac'; readonly device: string; readonly mac: string }
  | { readonly kind: 'addAddress'; readonly device: string; readonly address: string }
  | { readonly kind: 'removeAddress'; readonly device: string; readonly address: string }
  | { readonly kind: 'setUp'; readonly device: string }
  | { readonly kind: 'setRoute'; readonly device: string; readonly route: string }
  | { readonly kind: 'setQuiet'; readonly device: string }
  | { readonly kind: 'forward'; readonly device: string; readonly mac: string; readonly to: string }
  | { readonly kind: 'unforward'; readonly device: string; readonly mac: string; readonly to: string }
  | { readonly kind: 'bridge'; readonly device: string; readonly mac: string }
  | { readonly kind: 'unbridge'; readonly device: string; readonly mac: string }
  | { readonly kind: 'neighbour'; readonly device: string; readonly ip: string; readonly mac: string }
  | { readonly kind: 'forgetNeighbour'; readonly device: string; readonly ip: string };
