/** What is known of the networks of this node, as the checks are told it. */
import type { Endpoints, NetworkPeers } from '../../api-schemas/index.ts';
import type { Attached } from '../network/inputs.ts';
import type { Neighbour } from './heard.ts';

/** A network that this node is in. */
export interface OwnNetwork {
  /** `namespace/name`. */
  readonly key: string;
  /** This node's own address on it. */
  readonly gateway: string;
  readonly mtu: number;
  readonly encrypted?: boolean;
}

export interface NetState {
  readonly networks: readonly OwnNetwork[];
  readonly peers: readonly NetworkPeers[];
  readonly endpoints: readonly Endpoints[];
  readonly attached: readonly Attached[];
}

/** By gateway address. */
export const neighboursOf = ({ peers }: Pick<NetState, 'peers'>): ReadonlyMap<string, Neighbour> =>
  new Map(peers.map(({ gateway, node, network }) => [gateway, { node, network }]));

/**
 * The peers of a network that answer probes: those with tasks on it, which have a name server for them. One that only
 * answers published ports asks, and is not asked: nothing needs to reach it unasked.
 */
export const answering = ({ peers }: Pick<NetState, 'peers'>, network: string): readonly NetworkPeers[] =>
  peers.filter((peer) => peer.network === network && peer.ips.length > 0);
