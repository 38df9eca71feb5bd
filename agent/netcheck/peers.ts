/** The other nodes on the networks of this one, as probes know them. Pure. */
import type { NetworkPeers } from '../../api-schemas/index.ts';
import type { NetState } from '../network/state.ts';
import type { Neighbour } from './heard.ts';

const known = new WeakMap<readonly NetworkPeers[], ReadonlyMap<string, Neighbour>>();

/** By gateway address. Asked for each probe: of one list of peers it is made once. */
export function neighboursOf(peers: readonly NetworkPeers[]): ReadonlyMap<string, Neighbour> {
  const neighbours =
    known.get(peers) ?? new Map(peers.map(({ gateway, node, network }) => [gateway, { node, network }]));
  known.set(peers, neighbours);
  return neighbours;
}

/**
 * The peers of a network that answer probes: those with tasks on it, which have a name server for them. One that only
 * answers published ports asks, and is not asked: nothing needs to reach it unasked.
 */
export const answering = ({ peers }: Pick<NetState, 'peers'>, network: string): readonly NetworkPeers[] =>
  peers.filter((peer) => peer.network === network && peer.ips.length > 0);
