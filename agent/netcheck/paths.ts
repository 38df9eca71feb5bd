/** The ways to the other nodes, network by network: small packets and full ones, and what is between when none is answered. */
import type { NetCheckPath, NetworkPeers, Reach } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { OwnNetwork } from '../network/state.ts';
import { smallPacket } from './message.ts';
import { probe, reachOf, type ProbeOutcome, type ProbeTarget } from './probe.ts';

export interface PathsOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly rounds?: readonly number[];
  readonly probe?: typeof probe;
  readonly reach?: (address: string) => Promise<Reach>;
  /** Whether the largest size that passes is looked for where the full one does not. */
  readonly measure?: boolean;
}

/** Sizes that paths have, and that are lost when one between them and the network's has less. */
const ladder = [1_450, 1_430, 1_400, 1_370, 1_350, 1_300, 1_250, 1_200, 1_000, 750, 500];

/** Probes all of these peers on one network. Never throws. */
export async function pathsOn(
  { key, gateway: source, mtu, encrypted }: OwnNetwork,
  peers: readonly NetworkPeers[],
  options: PathsOptions,
): Promise<readonly NetCheckPath[]> {
  const { id, clock, rounds, measure = false } = options;
  const send = options.probe ?? probe;
  const more = { id, source, clock, ...(rounds === undefined ? {} : { rounds }) };
  const sizes = [smallPacket, mtu];
  const path = ({
    node: peer,
    address,
  }: NetworkPeers): Pick<NetCheckPath, 'network' | 'peer' | 'address' | 'mtu' | 'encrypted'> => ({
    ...{ network: key, peer, address, mtu },
    ...(encrypted === true ? { encrypted } : {}),
  });
  let outcomes: ReadonlyMap<string, ProbeOutcome>;
  let measured: ReadonlyMap<string, ProbeOutcome> = new Map();
  try {
    outcomes = await send(
      peers.map(({ gateway }) => ({ gateway, sizes })),
      more,
    );
    const short = measure ? peers.filter(({ gateway }) => isShort(outcomes.get(gateway), mtu)) : [];
    const steps = ladder.filter((size) => size < mtu);
    const targets = short.map(({ gateway }): ProbeTarget => ({ gateway, sizes: steps }));
    if (targets.length > 0) measured = await send(targets, more);
  } catch (error) {
    const message = `this node cannot send from ${source}, its own address on the network: ${messageOf(error)}`;
    return peers.map((peer) => ({ ...path(peer), small: false, full: false, error: message }));
  }
  return Promise.all(
    peers.map(async (peer): Promise<NetCheckPath> => {
      const { answered, error } = outcomes.get(peer.gateway) ?? { answered: new Map<number, number>() };
      const ms = answered.get(smallPacket);
      const full = answered.has(mtu);
      const found = {
        ...path(peer),
        ...{ small: ms !== undefined || full, full },
        ...(ms === undefined ? {} : { ms: Math.round(ms * 10) / 10 }),
        ...(error === undefined ? {} : { error }),
      };
      if (full) return found;
      if (found.small) return measure ? { ...found, passes: largest(measured.get(peer.gateway)) } : found;
      return { ...found, reach: await (options.reach ?? reachOf)(peer.address) };
    }),
  );
}

const isShort = (outcome: ProbeOutcome | undefined, mtu: number): boolean =>
  outcome !== undefined && outcome.answered.has(smallPacket) && !outcome.answered.has(mtu);

const largest = (outcome: ProbeOutcome | undefined): number =>
  Math.max(smallPacket, ...(outcome?.answered.keys() ?? []));
