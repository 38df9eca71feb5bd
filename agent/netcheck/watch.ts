/**
 * The continuous check: each peer about every half a minute, one of the networks that are shared with it after the
 * other. What fails twice is told, until it is answered again.
 */
import { randomBytes } from 'node:crypto';
import {
  udpPortsOf,
  type NetCheckPath,
  type NetworkPeers,
  type UnansweredNode,
} from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { NetState, OwnNetwork } from '../network/state.ts';
import type { Heard } from './heard.ts';
import { pathsOn, type PathsOptions } from './paths.ts';
import { answering } from './peers.ts';

export interface WatchOptions {
  readonly state: () => NetState;
  readonly heard: Pick<Heard, 'lastMs' | 'sweep'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What is told is another by now. */
  readonly onChange: () => void;
  readonly paths?: Pick<PathsOptions, 'probe' | 'reach'>;
  readonly random?: () => number;
}

const everyMs = 30_000;
/** One that is new, as all are to a node that has just joined, is probed so soon: what a firewall drops is known at once. */
const firstMs = 5_000;
const tickMs = 1_000;
const againMs = 5_000;
/** One that fails for long is asked less often, yet more often than one that does not: its end is to be seen. */
const failingMs = 10_000;
const failsUntilTold = 2;
/** Networks of one peer that are tried at once when it does not answer. */
const mostNetworks = 4;
/** Peers probed in one tick. */
const mostPeers = 100;

interface Known {
  dueMs: number;
  /** Where the turn of its networks is. */
  turn: number;
  fails: number;
  firstFailMs: number;
  told: UnansweredNode | undefined;
}

export class Watch {
  readonly #options: WatchOptions;
  readonly #known = new Map<string, Known>();
  readonly #id = randomBytes(16).toString('hex');
  #cancel: (() => void) | undefined;
  #isClosed = false;
  #probes = 0;
  #failures = 0;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#later();
  }

  /** Probes of peers since the start, and those that failed. */
  counts(): { readonly probes: number; readonly failures: number } {
    return { probes: this.#probes, failures: this.#failures };
  }

  /** Peers that are probed, and those that do not answer, by name; the same until something changes. */
  current(): { readonly peers: number; readonly unanswered: readonly UnansweredNode[] } {
    const unanswered = [...this.#known.values()].flatMap(({ told }) => told ?? []);
    return { peers: this.#known.size, unanswered: unanswered.sort((a, b) => (a.node < b.node ? -1 : 1)) };
  }

  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }

  #later(): void {
    if (this.#isClosed) return;
    this.#cancel = this.#options.clock.after(tickMs, () => {
      void this.tick().then(() => this.#later());
    });
  }

  /** Probes who is due. Never throws. Happens by itself each second. */
  async tick(): Promise<void> {
    const { clock, state, heard, logger, onChange, random = Math.random } = this.#options;
    const before = JSON.stringify(this.current().unanswered);
    try {
      const now = state();
      const shared = sharedNetworks(now);
      for (const node of this.#known.keys()) if (!shared.has(node)) this.#known.delete(node);
      for (const node of shared.keys())
        if (!this.#known.has(node))
          this.#known.set(node, {
            dueMs: clock.now() + random() * firstMs,
            ...{ turn: 0, fails: 0, firstFailMs: 0, told: undefined },
          });
      heard.sweep();
      const due = [...this.#known].filter(([, { dueMs }]) => dueMs <= clock.now()).slice(0, mostPeers);
      if (due.length > 0) await this.#probe(due, shared);
    } catch (error) {
      logger.warn({ err: messageOf(error) }, 'the paths to other nodes could not be looked at');
    }
    if (JSON.stringify(this.current().unanswered) !== before && !this.#isClosed) onChange();
  }

  async #probe(due: readonly (readonly [string, Known])[], shared: Shared): Promise<void> {
    const byNetwork = new Map<OwnNetwork, NetworkPeers[]>();
    for (const [node, known] of due) {
      const all = shared.get(node) ?? [];
      const from = known.turn++ % Math.max(1, all.length);
      const count = known.fails > 0 ? mostNetworks : 1;
      for (const { network, peer } of [...all.slice(from), ...all.slice(0, from)].slice(0, count)) {
        const peers = byNetwork.get(network) ?? [];
        byNetwork.set(network, peers);
        peers.push(peer);
      }
    }
    const { clock, paths } = this.#options;
    const outcomes = await Promise.all(
      [...byNetwork].map(([network, peers]) =>
        pathsOn(network, peers, { id: this.#id, clock, rounds: [500, 1_000], ...paths }),
      ),
    );
    const found = outcomes.flat();
    for (const [node, known] of due) {
      const own = found.filter(({ peer }) => peer === node);
      this.#note(node, known, own, shared.get(node) ?? []);
    }
  }

  /** For who joins a machine and looks at its log: the Node says it as well. */
  #warn(node: string, { address, way, networks }: UnansweredNode, paths: readonly NetCheckPath[]): void {
    const ports = udpPortsOf(paths);
    const text = {
      to: `what is sent to it does not arrive; open ${ports} to ${address}`,
      none: `nothing is heard of it; open ${ports} from and to ${address}`,
      mtu: `large packets do not arrive there; let UDP of 1,500 bytes pass to ${address}`,
    };
    this.#options.logger.warn({ node, networks }, `node ${node} does not answer probes: ${text[way]}`);
  }

  #note(
    node: string,
    known: Known,
    paths: readonly NetCheckPath[],
    shared: readonly { readonly peer: NetworkPeers }[],
  ): void {
    const { clock, heard, random = Math.random } = this.#options;
    const bad = paths.filter(({ full }) => !full);
    this.#probes += paths.length;
    this.#failures += bad.length;
    if (bad.length === 0) {
      if (known.told !== undefined) this.#options.logger.info({ node }, 'the node answers probes again');
      known.fails = 0;
      known.told = undefined;
      // Those that are new together are spread from here on.
      known.dueMs = clock.now() + everyMs * (known.turn === 1 ? 0.5 + random() : 1);
      return;
    }
    if (known.fails++ === 0) known.firstFailMs = clock.now();
    known.dueMs = clock.now() + (known.fails < failsUntilTold ? againMs : failingMs);
    if (known.fails < failsUntilTold) return;
    const isHeard = shared.some(({ peer }) => (heard.lastMs(peer.gateway) ?? -1) >= known.firstFailMs);
    if (known.told === undefined) this.#warn(node, toldOf(node, bad, isHeard), bad);
    known.told = toldOf(node, bad, isHeard);
  }
}

/** What is told of a node that did not answer; who is heard all the same gets nothing from here. Pure. */
export function toldOf(node: string, bad: readonly NetCheckPath[], isHeard: boolean): UnansweredNode {
  const [first] = bad;
  const silent = bad.filter(({ small }) => !small);
  const reach = silent[0]?.reach;
  return {
    node,
    address: first?.address ?? '',
    way: silent.length === 0 ? 'mtu' : isHeard ? 'to' : 'none',
    networks: (silent.length === 0 ? bad : silent).map(({ network }) => network).sort(),
    ...(reach === undefined ? {} : { reach }),
  };
}

type Shared = ReadonlyMap<string, readonly { readonly network: OwnNetwork; readonly peer: NetworkPeers }[]>;

/** By node: the networks on which it answers probes. */
function sharedNetworks(state: NetState): Shared {
  const shared = new Map<string, { network: OwnNetwork; peer: NetworkPeers }[]>();
  for (const network of state.networks)
    for (const peer of answering(state, network.key)) {
      const own = shared.get(peer.node) ?? [];
      shared.set(peer.node, own);
      own.push({ network, peer });
    }
  return shared;
}
