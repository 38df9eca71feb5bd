/** What the encryption room is told, what it sees, and what it does. */

/** The public part of a key, and the epoch that it is for. */
export interface MeshKey {
  readonly epoch: number;
  readonly publicKey: string;
}

/** Another node with which this one shares an encrypted network. */
export interface MeshPeer {
  readonly node: string;
  /** Where it is reached. */
  readonly address: string;
  /** Its address inside. */
  readonly inner: string;
  /** What it has said of its keys. */
  readonly keys: readonly MeshKey[];
}

export interface Mesh {
  /** Of the keys: the newest that the managers have said. */
  readonly epoch: number;
  /** This node's address inside. */
  readonly inner: string;
  /** Of the WireGuard devices. */
  readonly mtu: number;
  readonly peers: readonly MeshPeer[];
}

/** What a WireGuard device knows of a peer. */
export interface Link {
  readonly endpoint: string;
  readonly allowed: readonly string[];
  readonly keepalive: number;
  /** When the last one was completed, in milliseconds since the epoch; 0: never. */
  readonly handshakeMs: number;
}

export interface Device {
  readonly name: string;
  /** Undefined: it was not made to its end. */
  readonly made: { readonly epoch: number; readonly madeMs: number } | undefined;
  readonly method: Method;
  readonly publicKey: string;
  readonly port: number;
  readonly mtu: number;
  readonly isUp: boolean;
  readonly addresses: readonly string[];
  /** By public key. */
  readonly links: ReadonlyMap<string, Link>;
}

export interface MeshKernel {
  readonly devices: readonly Device[];
  /** By address inside: the device that leads there. */
  readonly routes: ReadonlyMap<string, string>;
  /** What no device leads to is unreachable, and not on its way in clear. */
  readonly hasGuard: boolean;
  /** Packets in clear are dropped on their way in, and on their way out. */
  readonly rules: 'none' | 'loaded' | 'other';
}

/** A peer as a WireGuard device is to know it. */
export interface WantedLink {
  readonly publicKey: string;
  readonly endpoint: string;
  readonly allowed: readonly string[];
}

/** One change. */
export type MeshOp = MeshLine | MeshStep;

/** One that `ip -batch` makes. */
export type MeshLine =
  | { readonly kind: 'guard' }
  | { readonly kind: 'setMtu'; readonly device: string; readonly mtu: number }
  | { readonly kind: 'addAddress' | 'removeAddress'; readonly device: string; readonly address: string }
  | { readonly kind: 'setUp'; readonly device: string }
  | { readonly kind: 'route' | 'unroute'; readonly inner: string; readonly device: string };

export type MeshStep =
  | { readonly kind: 'rules' | 'unguard' | 'unrule' }
  | { readonly kind: 'make'; readonly device: string; readonly epoch: number }
  | { readonly kind: 'remove'; readonly device: string }
  | {
      readonly kind: 'link';
      readonly device: string;
      readonly set: readonly WantedLink[];
      /** Public keys. */
      readonly remove: readonly string[];
    };

/** How packets are encrypted: by the kernel, or by a process for each device. */
export type Method = 'wireguard' | 'wireguard-go';

/** What a node can do, or why it cannot. */
export type Ability = { readonly method: Method } | { readonly error: string };
