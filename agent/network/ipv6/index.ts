/** The IPv6 room: whether this node has the IPv6 of networks, and the rules that go with it, which are there before it. */
import type { Network, NetworkProblem } from '../../../api-schemas/index.ts';
import type { Clock } from '../../../kit/clock.ts';
import type { Logger } from '../../../kit/log.ts';
import type { Owner } from '../../runtime/types.ts';
import type { Run } from '../commands.ts';
import { ownPart } from '../engine-networks.ts';
import { bridgeName, keyOf, tunnelTag } from '../names.ts';
import { IPv6Rules } from './keep.ts';
import type { Network6 } from './rules.ts';
import { ipv6Obstacle, lookedAt } from './usable.ts';

export { IPv6Rules } from './keep.ts';
export type { Network6 } from './rules.ts';
export { ipv6Usable } from './usable.ts';

export interface NodeIPv6Options {
  readonly owner: Owner;
  /** All that this node was told of. */
  readonly networks: () => readonly Network[];
  /** Whether the engine has a bridge of the network. */
  readonly hasBridge: (network: Network) => boolean;
  /** Whether that bridge was made with the network's prefix. */
  readonly isMadeDual: (network: Network) => boolean;
  /** Why containers here cannot have IPv6 of networks; default: as this machine is now. */
  readonly obstacle?: (() => string | undefined) | undefined;
  /** Absent where there is no kernel to program: then nothing is in the way. */
  readonly run: Run | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Which networks have IPv6 on this node, which do not and why, and the rules that are there before any has. */
export class NodeIPv6 {
  readonly #options: NodeIPv6Options;
  readonly #rules: IPv6Rules | undefined;
  readonly #machineObstacle: () => string | undefined;

  constructor(options: NodeIPv6Options) {
    const { owner, run, clock, logger } = options;
    this.#options = options;
    this.#machineObstacle = lookedAt(clock, options.obstacle ?? ipv6Obstacle);
    if (run === undefined) return;
    this.#rules = new IPv6Rules({
      ...{ run, clock, logger, tag: tunnelTag(owner) },
      networks: () =>
        this.#machineObstacle() === undefined
          ? this.#wanting().map((network) => network6(bridgeName(owner, network), network))
          : [],
    });
  }

  /** Why containers that are made now have no IPv6 on networks; undefined when they have. */
  get obstacle(): string | undefined {
    if (this.#rules === undefined) return undefined;
    const { problem } = this.#rules;
    return (
      this.#machineObstacle() ??
      (problem === undefined ? undefined : `what keeps networks apart is missing: ${problem}`)
    );
  }

  /** Whether what has addresses of the network here has them of IPv6, too. */
  has(network: Network): boolean {
    const { hasBridge, isMadeDual } = this.#options;
    return hasBridge(network) ? isMadeDual(network) : this.obstacle === undefined;
  }

  /** Whether any network has it. */
  get hasAny(): boolean {
    return this.#wanting().some((network) => this.has(network));
  }

  problems(): readonly NetworkProblem[] {
    const [first, ...others] = this.#wanting();
    if (first === undefined) return [];
    const { obstacle } = this;
    if (obstacle !== undefined) return [ipv4Alone(first, `: ${obstacle}`)];
    const late = [first, ...others].find((network) => !this.has(network));
    if (late === undefined) return [];
    const why = 'which the engine made when this node had no IPv6';
    return [ipv4Alone(late, `, ${why}: it is made anew once no task of it is here`)];
  }

  /** As `IPv6Rules.sync`. */
  async sync(): Promise<void> {
    await this.#rules?.sync();
  }

  async close(teardown: boolean): Promise<void> {
    await this.#rules?.close(teardown);
  }

  /** Networks of this node that are to have IPv6. */
  #wanting(): readonly Network[] {
    return this.#options
      .networks()
      .filter((network) => network.status?.subnet6 !== undefined && ownPart(network) !== undefined);
  }
}

function network6(bridge: string, { spec, status }: Network): Network6 {
  const { internal = false, driverOptions = {} } = spec;
  const option = (name: string): string | undefined => driverOptions[`com.docker.network.bridge.${name}`];
  return {
    ...{ bridge, subnet6: status?.subnet6 ?? '', isInternal: internal },
    isMasqueraded: option('enable_ip_masquerade') !== 'false' && option('gateway_mode_ipv6') !== 'routed',
    isJoined: option('enable_icc') !== 'false',
  };
}

const ipv4Alone = (network: Network, why: string): NetworkProblem => ({
  reason: 'IPv6Unavailable',
  message: `tasks here have IPv4 alone on network ${keyOf(network)}${why}`,
});
