import type { Cache } from '../../store/types.ts';
import { networkFor, peersOf } from './views.ts';

/** What is to be sent, as JSON, and the keys of what is to be removed. */
export interface Changes {
  readonly set: { readonly networks: string[]; readonly peers: string[] };
  readonly remove: { readonly networks: string[]; readonly peers: string[] };
}

const splitKey = (key: string): readonly [string, string] => {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
};

/**
 * The networks part of a node's feed: the networks that its tasks are on or that it is in, and what the other nodes
 * have on those that it is in.
 */
export class NetworkFeed {
  readonly #node: string;
  readonly #cache: Cache;
  /** Told of a network whose members the node has joined or left: other things of it are to be looked at again. */
  readonly #onMember: (network: string) => void;
  /** How many of its tasks are on each network. */
  readonly #users = new Map<string, number>();
  /** What was sent of each network. */
  readonly #networks = new Map<string, string>();
  /** Networks that it is in, as sent. */
  readonly #members = new Set<string>();
  /** What was sent, by network and node. */
  readonly #peers = new Map<string, Map<string, string>>();
  /** Networks that it has joined or left since the last frame. */
  readonly #turned = new Set<string>();
  readonly #dirtyNetworks = new Set<string>();
  readonly #dirtyPeers = new Map<string, Set<string>>();

  constructor(node: string, cache: Cache, onMember: (network: string) => void) {
    this.#node = node;
    this.#cache = cache;
    this.#onMember = onMember;
  }

  get dirty(): boolean {
    return this.#dirtyNetworks.size > 0 || this.#dirtyPeers.size > 0;
  }

  isMember(network: string): boolean {
    return this.#members.has(network);
  }

  /** The node has one more task on the network. */
  use(network: string): void {
    const users = this.#users.get(network) ?? 0;
    this.#users.set(network, users + 1);
    if (users === 0) this.#dirtyNetworks.add(network);
  }

  release(network: string): void {
    const users = this.#users.get(network) ?? 0;
    if (users > 1) return void this.#users.set(network, users - 1);
    this.#users.delete(network);
    this.#dirtyNetworks.add(network);
  }

  markNetwork(network: string): void {
    this.#dirtyNetworks.add(network);
  }

  /**
   * The node has joined or left the network; perhaps both since the last frame, so that it is in it now as it was then,
   * and was not told of what changed in between.
   */
  markMember(network: string): void {
    this.#dirtyNetworks.add(network);
    this.#turned.add(network);
  }

  /** What `node` has on the network may have changed. */
  markPeers(network: string, node: string): void {
    if (node === this.#node) return;
    const nodes = this.#dirtyPeers.get(network);
    if (nodes === undefined) this.#dirtyPeers.set(network, new Set([node]));
    else nodes.add(node);
  }

  /** Forgets what was sent and looks at all again. */
  reset(): void {
    for (const known of [this.#users, this.#networks, this.#members, this.#peers]) known.clear();
    this.#turned.clear();
    this.#dirtyNetworks.clear();
    this.#dirtyPeers.clear();
    for (const { metadata } of this.#cache.by('Network', 'node', this.#node))
      this.#dirtyNetworks.add(`${metadata.namespace ?? ''}/${metadata.name}`);
  }

  /**
   * Adds what is to be sent of networks, all of it: a task is never sent in a frame before the one that says what its
   * networks were when it came.
   */
  takeNetworks(changes: Changes): void {
    for (const key of this.#dirtyNetworks) this.#network(key, changes);
    this.#dirtyNetworks.clear();
  }

  /** Adds what is to be sent of other nodes, as long as there is `room`. */
  takePeers(changes: Changes, room: () => boolean): void {
    for (const [network, nodes] of this.#dirtyPeers) {
      for (const node of nodes) {
        if (!room()) return;
        nodes.delete(node);
        this.#peersOf(network, node, changes);
      }
      this.#dirtyPeers.delete(network);
    }
  }

  #network(key: string, { set, remove }: Changes): void {
    const network = this.#cache.get('Network', ...splitKey(key));
    const members = network?.status?.nodes ?? {};
    const isMember = members[this.#node] !== undefined;
    if (network !== undefined && (isMember || this.#users.has(key))) {
      const json = JSON.stringify(networkFor(this.#node, network));
      if (this.#networks.get(key) !== json) {
        this.#networks.set(key, json);
        set.networks.push(json);
      }
    } else if (this.#networks.delete(key)) remove.networks.push(key);
    const hasTurned = this.#turned.delete(key);
    if (isMember === this.#members.has(key) && !hasTurned) return;
    if (isMember) this.#members.add(key);
    else this.#members.delete(key);
    for (const node of this.#peers.get(key)?.keys() ?? []) this.markPeers(key, node);
    if (isMember) for (const node of Object.keys(members)) this.markPeers(key, node);
    this.#onMember(key);
  }

  #peersOf(key: string, node: string, { set, remove }: Changes): void {
    const network = this.#members.has(key) ? this.#cache.get('Network', ...splitKey(key)) : undefined;
    const json = network === undefined ? undefined : peersOf(this.#cache, network, node);
    const sent = this.#peers.get(key) ?? new Map<string, string>();
    if (json === undefined) {
      if (sent.delete(node)) remove.peers.push(`${key}/${node}`);
      if (sent.size === 0) this.#peers.delete(key);
      return;
    }
    this.#peers.set(key, sent);
    if (sent.get(node) === json) return;
    sent.set(node, json);
    set.peers.push(json);
  }
}
