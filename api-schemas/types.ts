/** Objects of the API as they travel and are stored. Provisional home; each kind's folder generates its own. */

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ManagedFieldsEntry {
  readonly manager: string;
  readonly operation: 'Apply' | 'Update';
  readonly apiVersion: string;
  readonly time?: string;
  readonly fieldsType: 'FieldsV1';
  readonly fieldsV1: Readonly<Record<string, unknown>>;
  readonly subresource?: string;
}

export interface ObjectMeta {
  readonly name: string;
  readonly generateName?: string;
  readonly namespace?: string;
  readonly uid?: string;
  /** The etcd revision of the last write; opaque to clients. */
  readonly resourceVersion?: string;
  /** Rises by one with each change of `spec`. */
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
  readonly finalizers?: readonly string[];
  readonly managedFields?: readonly ManagedFieldsEntry[];
}

export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration?: number;
}

/** Any stored object. */
export interface Obj {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

// ---------------------------------------------------------------- task template

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
}

export interface Mount {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'npipe';
  readonly source?: string;
  readonly target: string;
  readonly readOnly?: boolean;
  readonly consistency?: 'default' | 'consistent' | 'cached' | 'delegated';
  readonly bind?: {
    readonly propagation?: 'private' | 'rprivate' | 'shared' | 'rshared' | 'slave' | 'rslave';
    readonly recursive?: 'enabled' | 'disabled' | 'writable' | 'readonly';
    readonly createSource?: boolean;
  };
  readonly volume?: {
    readonly driver?: string;
    readonly driverOptions?: Readonly<Record<string, string>>;
    readonly labels?: Readonly<Record<string, string>>;
    readonly noCopy?: boolean;
    readonly subpath?: string;
  };
  readonly tmpfs?: { readonly size?: string; readonly mode?: string; readonly options?: readonly string[] };
}

export interface Healthcheck {
  readonly test?: readonly string[];
  readonly interval?: string;
  readonly timeout?: string;
  readonly startPeriod?: string;
  readonly startInterval?: string;
  readonly retries?: number;
  readonly disable?: boolean;
}

export interface Device {
  readonly source: string;
  readonly target?: string;
  readonly permissions?: string;
}

export interface DeviceRequest {
  readonly driver?: string;
  readonly count?: number;
  readonly deviceIDs?: readonly string[];
  readonly capabilities?: readonly (readonly string[])[];
  readonly options?: Readonly<Record<string, string>>;
}

export interface ThrottleDevice {
  readonly path: string;
  readonly rate: number;
}

export interface Resources {
  readonly limits?: { readonly cpus?: string; readonly memory?: string; readonly pids?: number };
  readonly reservations?: {
    readonly cpus?: string;
    readonly memory?: string;
    /** Generic resource kind to amount, e.g. `{ "NVIDIA-GPU": 2 }`. */
    readonly generic?: Readonly<Record<string, number>>;
  };
  /** Total of memory and swap; `-1` is unlimited swap. */
  readonly memorySwap?: string;
  readonly memorySwappiness?: number;
  readonly cpuShares?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly cpuRealtimePeriod?: string;
  readonly cpuRealtimeRuntime?: string;
  readonly oomKillDisable?: boolean;
  readonly blkio?: {
    readonly weight?: number;
    readonly weightDevice?: readonly { readonly path: string; readonly weight: number }[];
    readonly deviceReadBps?: readonly ThrottleDevice[];
    readonly deviceWriteBps?: readonly ThrottleDevice[];
    readonly deviceReadIOps?: readonly ThrottleDevice[];
    readonly deviceWriteIOps?: readonly ThrottleDevice[];
  };
}

/** Every setting of a container; a change of any of them makes a new Revision. */
export interface TaskTemplate {
  readonly image: string;
  readonly pullPolicy?: 'always' | 'missing' | 'never';
  readonly platform?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly workingDir?: string;
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly hostname?: string;
  readonly domainname?: string;
  readonly extraHosts?: readonly string[];
  readonly dns?: readonly string[];
  readonly dnsSearch?: readonly string[];
  readonly dnsOptions?: readonly string[];
  readonly containerLabels?: Readonly<Record<string, string>>;
  readonly init?: boolean;
  readonly tty?: boolean;
  readonly stdinOpen?: boolean;
  readonly readOnly?: boolean;
  readonly stopSignal?: string;
  readonly stopGracePeriod?: string;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly privileged?: boolean;
  readonly securityOpt?: readonly string[];
  readonly credentialSpec?: string;
  readonly isolation?: 'default' | 'process' | 'hyperv';
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly ulimits?: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly oomScoreAdj?: number;
  readonly pid?: string;
  readonly ipc?: string;
  readonly uts?: string;
  readonly userns?: string;
  readonly cgroupns?: 'host' | 'private';
  readonly cgroupParent?: string;
  readonly runtime?: string;
  readonly macAddress?: string;
  readonly shmSize?: string;
  readonly storageOpt?: Readonly<Record<string, string>>;
  readonly devices?: readonly Device[];
  readonly deviceCgroupRules?: readonly string[];
  readonly gpus?: 'all' | number | DeviceRequest;
  readonly deviceRequests?: readonly DeviceRequest[];
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly healthcheck?: Healthcheck;
  readonly logging?: { readonly driver?: string; readonly options?: Readonly<Record<string, string>> };
  readonly mounts?: readonly Mount[];
  readonly resources?: Resources;
}

// ---------------------------------------------------------------- service

export interface Port {
  readonly name?: string;
  /** Port inside the container. */
  readonly target: number;
  /** Port on the node; 0 (the default) has one chosen: ingress 30000-32767, host by the engine. */
  readonly published?: number;
  readonly protocol?: 'tcp' | 'udp' | 'sctp';
  readonly mode?: 'ingress' | 'host';
  /** Address of the node to listen on; all addresses when absent. */
  readonly hostIP?: string;
}

export interface Placement {
  /** e.g. `node.labels.zone == eu`, `node.role != worker`, `node.hostname in (a, b)`, `node.labels.ssd exists`. */
  readonly constraints?: readonly string[];
  /** e.g. `[{ spread: node.labels.zone }]`, the first weighs most. */
  readonly preferences?: readonly { readonly spread: string }[];
  /** `os/arch` each; any when absent. */
  readonly platforms?: readonly string[];
  /** 0: no limit. */
  readonly maxReplicasPerNode?: number;
}

export interface RestartPolicy {
  readonly condition?: 'any' | 'on-failure' | 'none';
  /** Delay of the second restart within `window`; the first is at once, each further one doubles. Default 1s. */
  readonly delay?: string;
  /** Longest delay. Default 1m. */
  readonly maxDelay?: string;
  /** Restarts within `window` before the slot is given up; 0: no limit. */
  readonly maxAttempts?: number;
  /** A task that ran this long clears the slot's failure count. Default 1m. */
  readonly window?: string;
}

export interface UpdatePolicy {
  /** `start-first` by default; `stop-first` where a host port is published. */
  readonly order?: 'start-first' | 'stop-first';
  /** Slots replaced at a time. Default 1. */
  readonly parallelism?: number;
}

export interface ServiceSpec extends TaskTemplate {
  readonly mode?: 'replicated' | 'global';
  /** Default 1; not allowed with `mode: global`. */
  readonly replicas?: number;
  readonly ports?: readonly Port[];
  readonly placement?: Placement;
  readonly restart?: RestartPolicy;
  readonly update?: UpdatePolicy;
  /** Old revisions kept. Default 10. */
  readonly revisionHistoryLimit?: number;
  /** Finished tasks kept per slot. Default 4. */
  readonly taskHistoryLimit?: number;
}

export interface ServiceStatus {
  readonly observedGeneration?: number;
  /** Tasks wanted now: `spec.replicas`, or the number of fitting nodes of a global service. */
  readonly desired?: number;
  /** Tasks that exist and are meant to run, whatever their state. */
  readonly replicas?: number;
  /** Of these, Running (so healthy, where there is a health check). */
  readonly ready?: number;
  /** Of these, of the current revision. */
  readonly updated?: number;
  readonly currentRevision?: string;
  /** Selector string for the scale subresource. */
  readonly selector?: string;
  readonly ports?: readonly Port[];
  readonly conditions?: readonly Condition[];
}

export interface Service extends Obj {
  readonly kind: 'Service';
  readonly spec: ServiceSpec;
  readonly status?: ServiceStatus;
}

// ---------------------------------------------------------------- stack

export interface StackSpec {
  readonly services: Readonly<
    Record<string, ServiceSpec & { readonly labels?: Readonly<Record<string, string>> }>
  >;
}

export interface StackStatus {
  readonly observedGeneration?: number;
  readonly services?: number;
  readonly readyServices?: number;
  readonly conditions?: readonly Condition[];
}

export interface Stack extends Obj {
  readonly kind: 'Stack';
  readonly spec: StackSpec;
  readonly status?: StackStatus;
}

// ---------------------------------------------------------------- revision

export interface RevisionSpec {
  readonly service: string;
  /** Rises by one per new template of a service. */
  readonly number: number;
  readonly template: TaskTemplate;
  /** Ports of mode `host`: they belong to the container, so a change of them makes a new revision. */
  readonly hostPorts?: readonly Port[];
  /** How many slots should run this revision now; written by `rollout`, acted on by `replicas`. */
  readonly replicas: number;
}

export interface Revision extends Obj {
  readonly kind: 'Revision';
  readonly spec: RevisionSpec;
  readonly status?: { readonly replicas?: number; readonly ready?: number };
}

// ---------------------------------------------------------------- task

export const taskStates = [
  'New',
  'Pending',
  'Assigned',
  'Accepted',
  'Preparing',
  'Ready',
  'Starting',
  'Running',
  'Complete',
  'Shutdown',
  'Failed',
  'Rejected',
  'Orphaned',
] as const;
export type TaskState = (typeof taskStates)[number];

export interface TaskSpec {
  readonly service: string;
  /** Revision in the same namespace that holds the container's settings. */
  readonly revision: string;
  /** 1..n in a replicated service; absent in a global one, whose slot is its node. */
  readonly slot?: number;
  /** Written once: by the scheduler, or at creation for a global service. */
  readonly nodeName?: string;
  /** `Ready` prepares without starting; `Shutdown` stops and keeps container and record. Deleting the Task removes both. */
  readonly desiredState: 'Ready' | 'Running' | 'Shutdown';
  /** The agent starts the container no earlier (RFC 3339): restart back-off lives here, not in memory. */
  readonly notBefore?: string;
  /** Consecutive failures of the slot before this task. */
  readonly restarts?: number;
}

export interface TaskStatus {
  readonly state: TaskState;
  /** UpperCamel, e.g. `ImagePullFailed`, `NoNodeFits`, `NonZeroExit`, `Unhealthy`, `PortTaken`. */
  readonly reason?: string;
  readonly message?: string;
  readonly since?: string;
  readonly containerID?: string;
  readonly exitCode?: number;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly addresses?: readonly { readonly network: string; readonly ip: string }[];
  /** Host ports as the engine published them. */
  readonly ports?: readonly Port[];
  readonly conditions?: readonly Condition[];
}

export interface Task extends Obj {
  readonly kind: 'Task';
  readonly spec: TaskSpec;
  readonly status?: TaskStatus;
}

// ---------------------------------------------------------------- node

export interface NodeResources {
  /** In cores, e.g. 2. */
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly generic?: Readonly<Record<string, number>>;
}

export interface NodeSpec {
  /** `pause` takes no new tasks (cordon); `drain` also moves its tasks elsewhere. */
  readonly availability?: 'active' | 'pause' | 'drain';
}

export interface NodeStatus {
  readonly hostname?: string;
  readonly role?: 'manager' | 'worker';
  readonly addresses?: readonly string[];
  readonly platform?: { readonly os: string; readonly arch: string };
  readonly capacity?: NodeResources;
  readonly engine?: {
    readonly runtime: 'docker' | 'simulated';
    readonly version: string;
    readonly apiVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly reachable: boolean;
    readonly message?: string;
  };
  readonly agentVersion?: string;
  /** The server that holds the node's session; `server` is empty while there is none. */
  readonly session?: { readonly server: string; readonly id: string; readonly since: string };
  readonly conditions?: readonly Condition[];
}

export interface Node extends Obj {
  readonly kind: 'Node';
  readonly spec: NodeSpec;
  readonly status?: NodeStatus;
}

// ---------------------------------------------------------------- endpoints

export interface Endpoint {
  readonly task: string;
  readonly slot?: number;
  readonly nodeName: string;
  readonly ip: string;
}

/** The ready addresses of the service of the same name. Has no spec: it is derived. */
export interface Endpoints extends Obj {
  readonly kind: 'Endpoints';
  /** Published ports with `published` decided (never 0). */
  readonly ports?: readonly Port[];
  readonly endpoints?: readonly Endpoint[];
}

// ---------------------------------------------------------------- core names

export interface Namespace extends Obj {
  readonly kind: 'Namespace';
  readonly spec?: { readonly finalizers?: readonly string[] };
  readonly status?: { readonly phase?: 'Active' | 'Terminating'; readonly conditions?: readonly Condition[] };
}

export interface ObjectReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly fieldPath?: string;
}

export interface Event extends Obj {
  readonly kind: 'Event';
  readonly involvedObject: ObjectReference;
  readonly reason: string;
  readonly message: string;
  readonly type: 'Normal' | 'Warning';
  readonly count: number;
  readonly firstTimestamp: string;
  readonly lastTimestamp: string;
  readonly source: { readonly component: string; readonly host?: string };
  readonly reportingComponent?: string;
  readonly reportingInstance?: string;
}

export interface Lease extends Obj {
  readonly kind: 'Lease';
  readonly spec: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

export type AnyObj = Stack | Service | Revision | Task | Node | Endpoints | Namespace | Event | Lease;
export type KindName = AnyObj['kind'];

export type ObjOf<K extends KindName> = Extract<AnyObj, { kind: K }>;
