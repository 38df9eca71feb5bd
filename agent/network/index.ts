/**
 * The networks of a node: engine networks and addresses of its containers, tunnels to other nodes, names, and virtual
 * IPs. Level-triggered: `update` makes all of them follow what the servers sent and what the engine has.
 */
import {
  ip6Of,
  type AssignmentSet,
  type Network,
  type NetworkProblem,
  type NodeEncryption,
  type Task,
} from '../../api-schemas/index.ts';
import { isIPv6 } from 'node:net';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { startTimeOf } from '../../kit/process.ts';
import { DnsServer, searchDomain } from '../dns/index.ts';
import type { ContainerNetwork, ContainerSpec, ContainerState, Owner, Runtime } from '../runtime/types.ts';
import type { Run } from './commands.ts';
import { EngineNetworks, mtuOf, ownPart } from './engine-networks.ts';
import { Encryption, innerAddress } from './encryption/index.ts';
import {
  dnsInput,
  meshOf,
  overlayNetworks,
  ownAddresses,
  prefixesOf,
  virtualIPs,
  type Attached,
} from './inputs.ts';
import { NodeIPv6 } from './ipv6/index.ts';
import { inOrder, keyOf, networkKeys, tunnelTag } from './names.ts';
import { Overlay } from './overlay/index.ts';
import { problemsOf } from './report.ts';
import type { NetState } from './state.ts';
import { VirtualIPs, type VirtualIP } from './vip/index.ts';

export interface NodeNetworksOptions {
  readonly runtime: Runtime;
  readonly owner: Owner;
  readonly ipv6: boolean;
  /** Why containers here cannot have IPv6 of networks; default: as this machine is now. */
  readonly obstacle6?: () => string | undefined;
  /** Tasks of this node and their containers. */
  readonly tasks: () => Iterable<{ readonly task: Task; readonly container: ContainerState }>;
  /** The task has ended, and its container runs no more: it may be kept for its logs, and needs no network. */
  readonly isOver: (task: Task) => boolean;
  /** The kernel; absent where there is none to program (simulated nodes). */
  readonly kernel?: {
    readonly run: Run;
    /** This node's address for the others; undefined while it is not known. */
    readonly address: () => string | undefined;
    /** What the node says of its encryption has changed. */
    readonly onEncryption: () => void;
  };
  /** Answers a probe of another node; undefined when it is none. */
  readonly probe: (message: Buffer, source: string) => Buffer | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How a container is attached when it is made. */
export type Attachment = Pick<ContainerSpec, 'networks' | 'dns'>;

export class NodeNetworks {
  readonly #options: NodeNetworksOptions;
  readonly #engine: EngineNetworks;
  readonly #overlay: Overlay | undefined;
  readonly #encryption: Encryption | undefined;
  readonly #ipv6: NodeIPv6;
  readonly #vips: VirtualIPs | undefined;
  readonly #dns: DnsServer | undefined;
  /** By container: why its rules are not as they should be. */
  readonly #badRules = new Map<string, string>();
  #set: Pick<AssignmentSet, 'networks' | 'peers' | 'endpoints'> = { networks: [], peers: [], endpoints: [] };
  /** Servers, or the checkpoint, have said what there is: until then all that is found stays. */
  #isTold = false;
  #tasks: readonly Task[] = [];
  /** By source address: the container that has it. */
  #ids: ReadonlyMap<string, string> = new Map();
  #known: ReadonlySet<string> = new Set();
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(options: NodeNetworksOptions) {
    this.#options = options;
    const { runtime, owner, ipv6, kernel, clock, logger, tasks } = options;
    this.#engine = new EngineNetworks({
      ...{ runtime, owner, ipv6, clock, logger },
      containers: () => [...tasks()].map(({ container }) => container),
      onBridges: async () => {
        await this.#ipv6.sync();
        await this.#encryption?.sync();
        await this.#overlay?.again();
      },
      obstacle: () => this.#encryption?.obstacle,
      obstacle6: () => this.#ipv6.obstacle,
    });
    this.#ipv6 = new NodeIPv6({
      ...{ owner, clock, run: kernel?.run, obstacle: options.obstacle6 },
      networks: () => this.#set.networks,
      hasBridge: (network) => this.#engine.bridgeOf(network) !== undefined,
      isMadeDual: (network) => this.#engine.hasIPv6(network),
      logger: logger.child({ part: 'ipv6' }),
    });
    if (kernel === undefined) return;
    const { run } = kernel;
    this.#encryption = new Encryption({
      ...{ run, clock, tag: tunnelTag(owner), inner: innerAddress(owner.cluster, owner.nodeName) },
      mesh: () => meshOf(this.#set.networks, this.#set.peers, owner),
      onChange: kernel.onEncryption,
      logger: logger.child({ part: 'encryption' }),
    });
    this.#overlay = new Overlay({
      ...{ run, clock, tag: tunnelTag(owner), local: kernel.address },
      logger: logger.child({ part: 'overlay' }),
      networks: () =>
        overlayNetworks(
          this.#set.networks,
          this.#set.peers,
          {
            bridgeOf: (network) => this.#engine.bridgeOf(network),
            isAwaited: (network) => this.#engine.isAwaited(network),
            hasIPv6: (network) => this.#ipv6.has(network),
            isGuarded: this.#encryption?.isGuarded === true,
          },
          owner,
        ),
    });
    const vips = new VirtualIPs({
      ...{ run, clock, logger: logger.child({ part: 'vip' }) },
      onProblem: (id, message) =>
        message === undefined ? this.#badRules.delete(id) : this.#badRules.set(id, message),
    });
    this.#vips = vips;
    this.#dns = new DnsServer({
      ...{ clock, logger: logger.child({ part: 'dns' }) },
      probe: options.probe,
      ready: (source) => {
        const id = this.#ids.get(source);
        return id === undefined ? Promise.resolve() : vips.ready(id);
      },
    });
  }

  /** What the servers have given; resolves when the networks of the tasks are there, and everything follows. */
  async assign(set: AssignmentSet): Promise<void> {
    this.#set = set;
    this.#isTold = true;
    this.#tasks = set.tasks;
    await this.#engine.assign(set.networks, this.#users());
    await this.update();
  }

  /** The engine is there again: its networks are found anew. */
  async again(): Promise<void> {
    this.#engine.forgetAll();
    await this.#engine.assign(this.#set.networks, this.#users());
    await this.update();
  }

  /** Resolves when names, virtual IPs and tunnels follow what is known as of this call. Never throws. */
  update(): Promise<void> {
    this.#next ??= this.#last.then(() => {
      this.#next = undefined;
      return this.#converge();
    });
    return (this.#last = this.#next);
  }

  /**
   * Resolves when names and virtual IPs lead where the servers said last, in all containers that run. Waits for no bridge
   * and no tunnel. Rejects when a container goes on by older rules.
   */
  async follow(): Promise<void> {
    const attached = this.#attached();
    this.#dns?.update(dnsInput(this.#set.networks, this.#set.endpoints, attached));
    await Promise.all(this.#virtualIPs(attached));
    const behind = [...this.#known].find((id) => this.#vips?.isBehind(id));
    if (behind !== undefined)
      throw new Error(`container ${behind.slice(0, 12)} has older rules of virtual IPs`);
  }

  /** Finds out what of encryption this node can do, and which keys it has. To be awaited before anyone is told. */
  async look(): Promise<void> {
    await this.#encryption?.look();
  }

  /** Undefined on a node without a kernel to program. */
  get encryption(): NodeEncryption | undefined {
    return this.#encryption?.status;
  }

  async attach(task: Task, signal: AbortSignal): Promise<Attachment> {
    const networks = await this.#engine.attach(task, signal);
    const keys = new Set(networkKeys(task));
    const servers = this.#set.networks
      .filter((network) => keys.has(keyOf(network)))
      .flatMap((network) => ownPart(network)?.gateway ?? [])
      .slice(0, 1);
    if (this.#dns === undefined || servers.length === 0) return { networks };
    return { networks, dns: { servers, search: [searchDomain(task.metadata.namespace ?? 'default')] } };
  }

  release(networks: readonly ContainerNetwork[]): void {
    this.#engine.release(networks);
  }

  forget(task: Task): void {
    this.#engine.forget(task);
  }

  forgetAll(): void {
    this.#engine.forgetAll();
  }

  keep(tasks: readonly Task[]): void {
    this.#engine.keep(tasks);
  }

  /** The container's addresses by name of the Network, as a task's status has them. */
  addressesOf({ addresses }: Pick<ContainerState, 'addresses'>, task?: Task): ContainerState['addresses'] {
    const named = addresses.map(({ network, ip }) => ({
      network: this.#engine.nameOf(network) ?? network,
      ip,
    }));
    return inOrder(named, task?.spec.networks);
  }

  /** All bridges of this node's networks. */
  bridges(): readonly string[] {
    return this.#set.networks.flatMap((network) => this.#engine.bridgeOf(network) ?? []);
  }

  /** The bridge of the task's first network; undefined when it has none. */
  bridgeOf(task: Task): string | undefined {
    const network = this.#firstOf(task);
    return network === undefined ? undefined : this.#engine.bridgeOf(network);
  }

  /** Where this node has a bridge, and so containers that ask for names. */
  asked(): readonly { readonly bridge: string; readonly gateway: string }[] {
    return this.#set.networks.flatMap((network) => {
      const [bridge, gateway] = [this.#engine.bridgeOf(network), ownPart(network)?.gateway];
      return bridge === undefined || gateway === undefined ? [] : [{ bridge, gateway }];
    });
  }

  /** Whether containers have no way out of the task's first network. */
  isInternal(task: Task): boolean {
    return this.#firstOf(task)?.spec.internal === true;
  }

  /** As `NetState.peers`. */
  get peers(): NetState['peers'] {
    return this.#set.peers;
  }

  /** What is known of the networks, for checks of them. */
  state(): NetState {
    const { networks, peers, endpoints } = this.#set;
    return {
      networks: networks.flatMap((network) => {
        const own = ownPart(network);
        if (own === undefined) return [];
        const { encrypted } = network.spec;
        const base = { key: keyOf(network), gateway: own.gateway, mtu: mtuOf(network) };
        return [encrypted === true ? { ...base, encrypted } : base];
      }),
      ...{ peers, endpoints, attached: this.#attached() },
    };
  }

  /** What of names, virtual IPs and tunnels is not as it should be. */
  problems(): readonly NetworkProblem[] {
    return problemsOf({
      names: (this.#dns?.problems() ?? []).map(({ message }) => message),
      rules: this.#badRules,
      tunnels: this.#overlay?.problem,
      ipv6: this.#ipv6.problems(),
      encryption: this.#encryption?.problem,
    });
  }

  /** What is not in the kernel as it should be at this moment, before it is repaired. */
  async differences(): Promise<readonly NetworkProblem[]> {
    // One that cannot be repaired is told by `problems`.
    if (this.#overlay?.problem !== undefined) return [];
    return ((await this.#overlay?.differences()) ?? []).map((what) => ({
      reason: 'TunnelsChanged',
      message: `${what}: something else changes the tunnels of orc; the agent repairs them within 5 s`,
    }));
  }

  /** What was done since the start, and what there is. */
  counts(): Readonly<Record<string, number>> {
    const names = Object.entries(this.#dns?.counts() ?? {}).map(([result, count]) => [
      `names${(result[0] ?? '').toUpperCase()}${result.slice(1)}`,
      count,
    ]);
    return {
      ...(Object.fromEntries(names) as Readonly<Record<string, number>>),
      containersWithRules: this.#known.size,
      tunnelEntries: this.#set.peers.reduce((sum, { ips }) => sum + ips.length + 1, 0),
    };
  }

  /** Containers keep what they have, and go on without this process. */
  async close(teardown = false): Promise<void> {
    await this.#last;
    await Promise.all([this.#dns?.close(), this.#vips?.close(), this.#overlay?.close(teardown)]);
    await this.#encryption?.close(teardown);
    await this.#ipv6.close(teardown);
  }

  /** That of its default route, and of its published ports. */
  #firstOf(task: Task): Network | undefined {
    const [first] = networkKeys(task);
    return this.#set.networks.find((network) => keyOf(network) === first);
  }

  #users(): readonly Task[] {
    return this.#tasks.filter((task) => !this.#options.isOver(task));
  }

  async #converge(): Promise<void> {
    try {
      const attached = this.#attached();
      this.#ids = new Map(
        attached.flatMap(({ container, addresses }) => addresses.map(({ ip }) => [ip, container.id])),
      );
      this.#dns?.update(dnsInput(this.#set.networks, this.#set.endpoints, attached));
      await this.#dns?.listen(this.asked().map(({ gateway }) => gateway));
      // Nobody waits for the slowest of all containers; who asks for names waits for its own rules.
      void Promise.all(this.#virtualIPs(attached));
      if (!this.#isTold) return;
      // What guards encrypted networks is there before their tunnels are.
      await this.#encryption?.sync();
      await this.#ipv6.sync();
      await this.#overlay?.sync();
    } catch (error) {
      this.#options.logger.error({ err: messageOf(error) }, 'the networks of this node do not follow');
    }
  }

  /** Whether published ports lead to containers by IPv6. */
  get hasIPv6(): boolean {
    return this.#ipv6.hasAny;
  }

  #attached(): readonly Attached[] {
    const prefixes = prefixesOf(this.#set.networks);
    const external = new Set(this.#set.networks.filter(({ spec }) => spec.external !== undefined).map(keyOf));
    return [...this.#options.tasks()]
      .filter(({ container }) => container.status !== 'exited')
      .map(({ task, container }) => {
        const { namespace = 'default' } = task.metadata;
        const addresses = this.addressesOf(container, task).map(({ network, ip }) => ({
          ...{ network: `${namespace}/${network}`, ip },
        }));
        return {
          ...{ task, container },
          addresses: ownAddresses(addresses, prefixes, (network) => external.has(network)),
        };
      });
  }

  /** Resolves, each, when a container has them. */
  #virtualIPs(attached: readonly Attached[]): readonly Promise<void>[] {
    const vips = this.#vips;
    if (vips === undefined) return [];
    // Containers on the same networks have the same.
    const made = new Map<string, readonly VirtualIP[]>();
    const prefixes = prefixesOf(this.#set.networks);
    const running = attached.filter(({ container }) => container.status === 'running');
    const ids = new Set(running.map(({ container }) => container.id));
    for (const id of this.#known) if (!ids.has(id)) vips.forget(id);
    for (const id of this.#badRules.keys()) if (!ids.has(id)) this.#badRules.delete(id);
    this.#known = ids;
    return running.flatMap(({ task, container, addresses }) => {
      const { id, pid = 0 } = container;
      const startTime = startTimeOf(pid);
      const keys = networkKeys(task);
      if (startTime === undefined || keys.length === 0) return [];
      // Where a container has IPv6 the rules are of both families.
      const dual = new Map(
        [...prefixes].filter(([key]) => addresses.some(({ network, ip }) => network === key && isIPv6(ip))),
      );
      const group = [...keys, '', ...dual.keys()].join();
      const own = made.get(group) ?? virtualIPs(this.#set.endpoints, new Set(keys), dual);
      made.set(group, own);
      const how = { hasIPv6: dual.size > 0, gateways: this.#waysOut(task, dual) };
      return [vips.set(id, { pid, startTime }, own, how)];
    });
  }

  /** Of several networks engines take one by its name; the first that is named is meant. An internal one leads nowhere. */
  #waysOut(task: Task, dual: ReadonlyMap<string, string>): readonly string[] {
    const first = this.#firstOf(task);
    if (networkKeys(task).length < 2 || first === undefined || first.spec.internal === true) return [];
    const { gateway } = ownPart(first) ?? {};
    const prefix = dual.get(keyOf(first));
    if (gateway === undefined) return [];
    return [gateway, ...(prefix === undefined ? [] : [ip6Of(prefix, gateway)])];
  }
}
