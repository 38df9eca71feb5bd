/**
 * What the agent needs of a container engine. Two implementations: `docker/` (dockerode) and `simulated.ts`.
 * The agent decides with a pure plan; a Runtime only does. Every call may be repeated after a crash.
 */
import type { Duplex, Readable } from 'node:stream';
import type { NodeResources, Port, StreamRequest, TaskTemplate } from '../../api-schemas/index.ts';

/** Labels by which the agent knows its containers and networks. */
export const label = {
  cluster: 'dev.orc.cluster',
  node: 'dev.orc.node',
  namespace: 'dev.orc.namespace',
  task: 'dev.orc.task',
  taskUID: 'dev.orc.task-uid',
  service: 'dev.orc.service',
  stack: 'dev.orc.stack',
  slot: 'dev.orc.slot',
  network: 'dev.orc.network',
  networkUID: 'dev.orc.network-uid',
} as const;

/** Whose containers and networks: one engine may serve nodes of several clusters, and several nodes of one. */
export interface Owner {
  /** Digest of the cluster's CA; two clusters may call their nodes the same. */
  readonly cluster: string;
  readonly nodeName: string;
}

export const ownerLabels = ({ cluster, nodeName }: Owner): Readonly<Record<string, string>> => ({
  [label.cluster]: cluster,
  [label.node]: nodeName,
});

export interface EngineInfo {
  readonly runtime: 'docker' | 'simulated';
  readonly version: string;
  readonly apiVersion: string;
  readonly platform: { readonly os: string; readonly arch: string };
  readonly capacity: NodeResources;
  readonly labels: Readonly<Record<string, string>>;
  /** What the engine programs its rules with; published ports need `iptables`. */
  readonly firewall: string;
}

/** The end of a container as its event tells it, before the engine has settled its record. */
export interface ContainerExit {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** The engine asked it to stop: for `docker stop`, whoever called it, or at its own shutdown. */
  readonly stopped: boolean;
  /** RFC 3339 */
  readonly finishedAt: string;
}

export interface ContainerSpec {
  /** `orc-<task name>-<first 8 of uid>` */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly template: TaskTemplate;
  readonly hostPorts: readonly Port[];
  /** Engine networks to attach before start, the one of the default route first; none of ours when empty. */
  readonly networks: readonly ContainerNetwork[];
  /** Who answers its questions for names; the engine's own default when absent. What the template says comes first. */
  readonly dns?: { readonly servers: readonly string[]; readonly search: readonly string[] };
}

export interface ContainerNetwork {
  readonly id: string;
  readonly name: string;
  /** The engine chooses when absent. */
  readonly ip?: string;
  /** None when absent, or of the engine's choice where the network has IPv6. */
  readonly ip6?: string;
  /** Honoured by engines from API 1.44 on; earlier ones derive it from the address, as orc does. */
  readonly mac?: string;
}

export interface ContainerState {
  readonly id: string;
  readonly taskUID: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: 'created' | 'running' | 'exited';
  /** Of Docker's HEALTHCHECK; `none` when the container has none. */
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  /** Output of the last failed probe, cut to 200 characters. */
  readonly healthMessage?: string;
  readonly exitCode?: number;
  readonly oomKilled?: boolean;
  readonly error?: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly addresses: readonly { readonly network: string; readonly ip: string }[];
  readonly ports: readonly Port[];
  readonly pid?: number;
}

export interface NetworkSpec {
  readonly name: string;
  /** Interface name of its bridge, at most 15 characters. */
  readonly bridge: string;
  /** IPv4 range, and the address of the bridge in it; the engine chooses when absent. */
  readonly subnet?: { readonly cidr: string; readonly gateway: string };
  /** The part of it that the engine gives to containers which come without an address; all of it when absent. */
  readonly range?: string;
  readonly mtu?: number;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  /** Further options of the bridge driver, as they are. */
  readonly options?: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  /** IPv6 range, and the address of the bridge in it; none when absent. */
  readonly subnet6?: { readonly cidr: string; readonly gateway?: string };
}

export interface EngineNetwork {
  readonly id: string;
  readonly name: string;
  readonly bridge: string;
  /** It has the IPv6 range that was asked for. */
  readonly hasIPv6?: boolean;
}

export interface NetworksAround {
  readonly networks: readonly {
    readonly id: string;
    readonly name: string;
    /** IPv4 CIDRs. */
    readonly subnets: readonly string[];
    /** Made by orc, for a node of this cluster. */
    readonly isOurs: boolean;
  }[];
  /** IPv4 CIDRs: of them the engine takes the range of a network that comes without one. */
  readonly pools: readonly string[];
}

/** What happens next decides the class of a failure. */
export type RuntimeErrorKind =
  /** The task cannot run as written: bad mount, unknown runtime, field too new for the engine. Not retried here. */
  | 'Rejected'
  /** Image is not there and cannot be pulled (now); retried with back-off. */
  | 'ImagePullFailed'
  /** Another container or process holds a host port. */
  | 'PortTaken'
  /** Something of the cluster is not there yet; tried again soon. */
  | 'NotReady'
  /** The engine does not answer. */
  | 'EngineUnavailable'
  /** Anything else the engine refused. */
  | 'Failed';

export class RuntimeError extends Error {
  readonly kind: RuntimeErrorKind;
  /** UpperCamel reason for the task's status, e.g. `ImageNotFound`, `BadMount`. */
  readonly reason: string;

  constructor(kind: RuntimeErrorKind, reason: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'RuntimeError';
    this.kind = kind;
    this.reason = reason;
  }
}

export interface Runtime {
  /** Throws EngineUnavailable. */
  info(): Promise<EngineInfo>;
  /** All containers with our node label, running or not. */
  list(): Promise<readonly ContainerState[]>;
  inspect(id: string): Promise<ContainerState | undefined>;
  /** Makes sure the image is there, after `pullPolicy`; concurrent calls for one image share one pull. */
  ensureImage(
    template: TaskTemplate,
    signal: AbortSignal,
    onProgress: (message: string, warning?: boolean) => void,
  ): Promise<void>;
  /** Creates, or finds the one already created for the same task uid (`found`); `warnings` are the engine's own. */
  create(
    spec: ContainerSpec,
    signal: AbortSignal,
  ): Promise<{ readonly id: string; readonly found: boolean; readonly warnings: readonly string[] }>;
  start(id: string): Promise<void>;
  /**
   * Sends the container's stop signal, waits `graceMs` (that of its template when absent), kills. Resolves when it is
   * stopped; fine when it already is or is gone.
   */
  stop(id: string, graceMs?: number): Promise<void>;
  kill(id: string, signal?: string): Promise<void>;
  /** Removes the container and its anonymous volumes; fine when gone. */
  remove(id: string): Promise<void>;
  /**
   * Makes sure the bridge network is there, and returns it. One with containers that run cannot become another: then
   * `hasIPv6` may not be what is asked for.
   */
  ensureNetwork(spec: NetworkSpec): Promise<EngineNetwork>;
  /** Networks with our node label. */
  listNetworks(): Promise<
    readonly { id: string; name: string; containers: number; labels: Readonly<Record<string, string>> }[]
  >;
  removeNetwork(id: string): Promise<void>;
  /** What there is of networks on the engine, whoever made them. */
  networksAround(): Promise<NetworksAround>;
  /** IPv4 addresses of the containers on a network, whoever runs them. */
  addressesOn(id: string): Promise<readonly string[]>;
  /**
   * Calls `onWake` with the task uid whenever one of our containers changed (create, start, die, health, destroy),
   * or undefined when anything may have; `exit` comes with an end. `onDown` once when the event stream breaks.
   * Resolves when changes from now on are seen. The returned function ends it.
   */
  watch(
    onWake: (taskUID: string | undefined, exit?: ContainerExit) => void,
    onDown: (error: Error) => void,
  ): Promise<() => void>;
  logs(
    id: string,
    request: Extract<StreamRequest, { kind: 'logs' }>,
    signal: AbortSignal,
  ): Promise<{ stdout: Readable; stderr: Readable }>;
  exec(
    id: string,
    request: Extract<StreamRequest, { kind: 'exec' }>,
  ): Promise<{
    stdin: Duplex;
    stdout: Readable;
    stderr: Readable;
    resize(width: number, height: number): Promise<void>;
    exitCode(): Promise<number>;
  }>;
}
