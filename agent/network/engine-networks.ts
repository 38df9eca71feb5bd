import { ip6Of, type Network, type Task } from '../../api-schemas/index.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import {
  label,
  RuntimeError,
  type ContainerNetwork,
  type ContainerState,
  type EngineNetwork,
  type NetworkSpec,
  type Owner,
  type Runtime,
} from '../runtime/types.ts';
import { Addresses } from './addresses.ts';
import { usualMtu, vxlanOverhead } from './encryption/index.ts';
import { bridgeName, engineName, keyOf, localSubnet6, networkKeys } from './names.ts';
import { macOf } from './overlay/index.ts';

export interface EngineNetworksOptions {
  readonly runtime: Pick<
    Runtime,
    'ensureNetwork' | 'listNetworks' | 'removeNetwork' | 'networksAround' | 'addressesOn'
  >;
  readonly owner: Owner;
  /** Whether new networks without a prefix of their own have IPv6, too; it does not leave the node. */
  readonly ipv6: boolean;
  /** Containers that have their addresses, or will when they start. */
  readonly containers: () => Iterable<ContainerState>;
  /** The bridges are, or are about to be, others: resolves when the tunnels follow. */
  readonly onBridges: () => Promise<void>;
  /** Why this node can encrypt nothing; undefined when it can. */
  readonly obstacle: () => string | undefined;
  /** Why this node has no IPv6 on networks; undefined when it has. */
  readonly obstacle6: () => string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How long a task that begins waits for a network that the servers have not given yet, before it says so. */
const patienceMs = 5_000;
const lookMs = 100;

/** The networks of this node's engine: each is there before its first task starts, and goes after its last. */
export class EngineNetworks {
  readonly #options: EngineNetworksOptions;
  readonly #addresses = new Map<string, Addresses>();
  /** By uid of the Network, as it was wanted then. */
  readonly #made = new Map<string, { readonly gateway: string; readonly found: Promise<EngineNetwork> }>();
  readonly #bridges = new Map<string, string>();
  /** Uids of those that have the network's own IPv6 range. */
  readonly #dual = new Set<string>();
  #networks: ReadonlyMap<string, Network> = new Map();
  /** Keys of networks that a task of this node is on. */
  #used: ReadonlySet<string> = new Set();
  /** Makes and removals follow each other, so that a removal never takes a network that was just asked for. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: EngineNetworksOptions) {
    this.#options = options;
  }

  /** What the servers have given this node. Networks of tasks are made, or found, at once. */
  async assign(networks: readonly Network[], tasks: readonly Task[]): Promise<void> {
    this.#networks = new Map(networks.map((network) => [keyOf(network), network]));
    this.#used = new Set(tasks.flatMap(networkKeys));
    const needed = networks.filter((network) => this.#used.has(keyOf(network)) && isGiven(network));
    await Promise.allSettled(needed.map((network) => this.#ensure(network)));
  }

  /** The bridge of a network on this node; undefined when there is none: then `isAwaited` says whether one will be. */
  bridgeOf(network: Network): string | undefined {
    return this.#bridges.get(network.metadata.uid ?? '');
  }

  /** Whether containers on its bridge here have the IPv6 of the network. */
  hasIPv6(network: Network): boolean {
    return this.#dual.has(network.metadata.uid ?? '');
  }

  isAwaited(network: Network): boolean {
    return this.#used.has(keyOf(network)) && network.spec.external === undefined;
  }

  /** The Network that the engine knows by that name, as `metadata.name`; undefined: none of ours. */
  nameOf(engine: string): string | undefined {
    for (const network of this.#networks.values())
      if (network.spec.external === engine || engineName(this.#options.owner, network) === engine)
        return network.metadata.name;
    return undefined;
  }

  /**
   * The networks of a task in the engine, made where they are not there, with an address of its own on each. Throws
   * NotReady while the servers have not given one, or none of its addresses is free.
   */
  async attach(task: Task, signal: AbortSignal): Promise<readonly ContainerNetwork[]> {
    const attached: ContainerNetwork[] = [];
    try {
      for (const key of networkKeys(task)) {
        const network = await this.#given(key, signal);
        const { external } = network.spec;
        if (external !== undefined) attached.push(await this.#find(external));
        else {
          const { id, name } = await this.#ensure(network);
          // Only there the engine gives addresses by itself.
          const others = network.spec.attachable === true ? await this.#options.runtime.addressesOn(id) : [];
          const ip = this.#take(network, name, others);
          const { subnet6 } = network.status ?? {};
          const ip6 = subnet6 === undefined || !this.hasIPv6(network) ? {} : { ip6: ip6Of(subnet6, ip) };
          attached.push({ id, name, ip, ...ip6, mac: macOf(ip) });
        }
      }
      return attached;
    } catch (error) {
      this.release(attached);
      throw error;
    }
  }

  /** The engine has these addresses by now, or nobody will. */
  release(attached: readonly ContainerNetwork[]): void {
    for (const { name, ip } of attached) if (ip !== undefined) this.#addresses.get(name)?.release(ip);
  }

  /** The engine says that a network of the task is not there. */
  forget(task: Task): void {
    for (const key of networkKeys(task)) {
      const uid = this.#networks.get(key)?.metadata.uid ?? '';
      this.#made.delete(uid);
      this.#bridges.delete(uid);
    }
  }

  forgetAll(): void {
    this.#made.clear();
  }

  /** Removes our networks that none of these tasks needs. One that still has containers stays until the next call. */
  keep(tasks: readonly Task[]): void {
    this.#used = new Set(tasks.flatMap(networkKeys));
    void this.#inTurn(() => this.#sweep()).catch((error: unknown) => {
      this.#options.logger.debug({ err: messageOf(error) }, 'networks could not be looked through');
    });
  }

  async #given(key: string, signal: AbortSignal): Promise<Network> {
    const { clock } = this.#options;
    for (const end = clock.now() + patienceMs; ; await sleep(clock, lookMs, signal)) {
      const network = this.#networks.get(key);
      const obstacle = network?.spec.encrypted === true ? this.#options.obstacle() : undefined;
      if (obstacle !== undefined)
        throw new RuntimeError(
          'NotReady',
          'EncryptionUnavailable',
          `network ${network?.metadata.name ?? ''} is encrypted, which this node cannot do: ${obstacle}`,
        );
      if (network !== undefined && (isGiven(network) || network.spec.external !== undefined)) return network;
      if (clock.now() < end) continue;
      const name = key.slice(key.indexOf('/') + 1);
      const why = allocationProblem(network);
      throw new RuntimeError(
        'NotReady',
        'NetworkNotReady',
        why ??
          `network ${name} has no addresses for this node yet: \`orc describe network ${name}\` says why`,
      );
    }
  }

  #ensure(network: Network): Promise<EngineNetwork> {
    const { metadata, spec } = network;
    const { uid = '' } = metadata;
    if (spec.external !== undefined)
      return Promise.resolve({ id: spec.external, name: spec.external, bridge: '' });
    const { gateway = '' } = ownPart(network) ?? {};
    const known = this.#made.get(uid);
    if (known?.gateway === gateway) return known.found;
    const found = this.#inTurn(async () => {
      // The node had left the network, and has another address on it now: the engine's is made anew.
      if (known !== undefined) this.#bridges.delete(uid);
      // A tunnel that stands alone has the address that the bridge will have.
      if (!this.#bridges.has(uid)) await this.#options.onBridges();
      const made = await this.#options.runtime.ensureNetwork(this.#specOf(network));
      this.#bridges.set(uid, made.bridge);
      if (made.hasIPv6 === true && network.status?.subnet6 !== undefined) this.#dual.add(uid);
      else this.#dual.delete(uid);
      await this.#options.onBridges();
      return made;
    });
    this.#made.set(uid, { gateway, found });
    found.catch(() => this.#made.get(uid)?.found === found && this.#made.delete(uid));
    return found;
  }

  /** One of the engine's own, by its name, of which there is one: by an id 20.10 does not find what MAC it is to have. */
  async #find(external: string): Promise<ContainerNetwork> {
    const { owner, runtime } = this.#options;
    const { networks } = await runtime.networksAround();
    const [found, second] = networks.filter(({ name }) => name === external);
    if (found === undefined || second !== undefined)
      throw new RuntimeError(
        'NotReady',
        'ExternalNetworkMissing',
        `node ${owner.nodeName} has ${found === undefined ? 'no network' : 'several networks'} ${external} in its engine: ${found === undefined ? `make it there (\`docker network create ${external}\`)` : 'remove all but one'}, or keep the service off the node (placement.constraints)`,
      );
    return { id: external, name: external };
  }

  #take(network: Network, name: string, others: readonly string[]): string {
    const { blocks = [], gateway = '' } = ownPart(network) ?? {};
    const taken = new Set<string>(others);
    for (const { status, addresses } of this.#options.containers())
      if (status !== 'exited')
        for (const address of addresses) if (address.network === name) taken.add(address.ip);
    const own = this.#addresses.get(name) ?? new Addresses();
    this.#addresses.set(name, own);
    const ip = own.take({ blocks, gateway }, taken);
    if (ip !== undefined) return ip;
    throw new RuntimeError(
      'NotReady',
      'NoAddress',
      `no address of network ${network.metadata.name} is free on this node; it is given more when the network has some`,
    );
  }

  async #sweep(): Promise<void> {
    const { runtime, onBridges, logger } = this.#options;
    for (const { id, name, labels } of await runtime.listNetworks()) {
      const network = this.#networks.get(labels[label.network] ?? '');
      const isOurs = network !== undefined && engineName(this.#options.owner, network) === name;
      if (isOurs && this.#used.has(keyOf(network))) continue;
      const uid = labels[label.networkUID] ?? '';
      this.#made.delete(uid);
      // The tunnel goes first: the engine would leave it behind.
      if (this.#bridges.delete(uid)) await onBridges();
      await runtime.removeNetwork(id).catch((error: unknown) => {
        logger.debug({ network: name, err: messageOf(error) }, 'a network is still in use');
      });
      this.#addresses.delete(name);
    }
  }

  #specOf(network: Network): NetworkSpec {
    const { owner } = this.#options;
    const { metadata, spec, status } = network;
    const { gateway = '', blocks = [] } = ownPart(network) ?? {};
    // A range without a free address: who comes without one of orc's is refused by the engine.
    const range = spec.attachable === true ? (blocks[0] ?? '') : `${gateway}/32`;
    return {
      name: engineName(owner, network),
      bridge: bridgeName(owner, network),
      labels: {
        [label.network]: keyOf(network),
        [label.networkUID]: metadata.uid ?? '',
        [label.namespace]: metadata.namespace ?? 'default',
      },
      ...{ subnet: { cidr: status?.subnet ?? '', gateway }, range },
      mtu: mtuOf(network),
      ...(spec.internal === undefined ? {} : { internal: spec.internal }),
      ...(spec.attachable === undefined ? {} : { attachable: spec.attachable }),
      ...(spec.driverOptions === undefined ? {} : { options: spec.driverOptions }),
      ...this.#range6(network),
    };
  }

  #range6(network: Network): Pick<NetworkSpec, 'subnet6'> {
    const { owner, ipv6, obstacle6 } = this.#options;
    const cidr = network.status?.subnet6;
    if (cidr === undefined) return ipv6 ? { subnet6: { cidr: localSubnet6(owner, network) } } : {};
    if (obstacle6() !== undefined) return {};
    return { subnet6: { cidr, gateway: ip6Of(cidr, ownPart(network)?.gateway ?? '') } };
  }

  #inTurn<T>(job: () => Promise<T>): Promise<T> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** 1,500 bytes of the usual Ethernet, less what a tunnel adds. */
export const defaultMtu = 1450;

/** The largest packet of a network. */
export const mtuOf = ({ spec }: Network): number =>
  spec.mtu ?? (spec.encrypted === true ? usualMtu - vxlanOverhead : defaultMtu);

/** What this node has of the network: the only entry that it is told. */
export const ownPart = ({ status }: Network) => Object.values(status?.nodes ?? {})[0];

const isGiven = (network: Network): boolean =>
  network.status?.subnet !== undefined && (ownPart(network)?.blocks?.length ?? 0) > 0;

function allocationProblem(network: Network | undefined): string | undefined {
  const condition = network?.status?.conditions?.find(({ type }) => type === 'Allocated');
  return condition?.status === 'False' ? condition.message : undefined;
}
