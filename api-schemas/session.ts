/**
 * The protocol between a node's agent and a server: one mutual-TLS WebSocket per node, JSON text frames.
 *
 * The agent dials `GET /session/v1` and says `register`; the server answers `welcome`, then one full set of
 * assignments and after it deltas. Sequence numbers rise by one per assignments frame; an agent that sees a
 * gap closes the session and dials again, which starts with a full set.
 *
 * That the agent works it says by a WebSocket ping each `heartbeatMs`. That its process and its machine live, a second
 * thread says by pings on a WebSocket of its own, `GET /session/v1/alive`, however busy the first one is.
 */
import type {
  Endpoints,
  ManagerPki,
  Network,
  NodeKey,
  NodeStatus,
  Revision,
  Task,
  TaskStatus,
} from './types.ts';

/** What a node needs to run its tasks, and nothing else. */
export interface AssignmentSet {
  readonly tasks: readonly Task[];
  readonly revisions: readonly Revision[];
  /**
   * Endpoints of the services on the node's networks, and of those whose published ports it answers; with addresses
   * and virtual IPs on networks that the node is in, and no others.
   */
  readonly endpoints: readonly Endpoints[];
  /**
   * The networks that its tasks are on or that it answers published ports of. Of the status, `nodes` has the node's
   * own entry alone (absent: not given yet, and tasks wait), and `virtualIPs` is left out: Endpoints have them.
   */
  readonly networks: readonly Network[];
  /** What is elsewhere on these networks: one entry for each network and other node that is in it. */
  readonly peers: readonly NetworkPeers[];
}

/** What a node has on one network, as the other nodes in it are told. */
export interface NetworkPeers {
  /** `namespace/name` of the Network. */
  readonly network: string;
  /** Name of the node. */
  readonly node: string;
  /** Where the node is reached: the other end of the tunnel. */
  readonly address: string;
  /** The node's own address on the network. */
  readonly gateway: string;
  /** Where the network is encrypted: the public keys of the node. */
  readonly keys?: readonly NodeKey[];
  /** Of its tasks, from the moment they have one, in order. (Their MACs follow from them: `02:42` and the four bytes.) */
  readonly ips: readonly string[];
}

/** `namespace/name/node`, as `AssignmentRemovals.peers` names an entry. */
export const peersKey = ({ network, node }: Pick<NetworkPeers, 'network' | 'node'>): string =>
  `${network}/${node}`;

/** Nothing assigned, and nothing to be removed. */
export const noAssignments = {
  tasks: [],
  revisions: [],
  endpoints: [],
  networks: [],
  peers: [],
} as const satisfies AssignmentSet & AssignmentRemovals;

/** Keys (`namespace/name`) of what the node no longer needs. */
export interface AssignmentRemovals {
  readonly tasks: readonly string[];
  readonly revisions: readonly string[];
  readonly endpoints: readonly string[];
  readonly networks: readonly string[];
  /** Keys as `peersKey` makes them. */
  readonly peers: readonly string[];
}

export type StreamRequest =
  | {
      readonly kind: 'logs';
      readonly follow: boolean;
      /** Lines from the end; all when absent. */
      readonly tail?: number;
      /** RFC 3339 */
      readonly since?: string;
      readonly timestamps: boolean;
    }
  | {
      readonly kind: 'exec';
      readonly command: readonly string[];
      readonly stdin: boolean;
      readonly tty: boolean;
      readonly user?: string;
      readonly workingDir?: string;
      readonly env?: readonly string[];
    }
  | NetCheckRequest;

/** Asks a node, not a task, to try the paths of its networks: a `NetCheckReport` follows, or a `NetCheckHeard`. */
export interface NetCheckRequest {
  readonly kind: 'netcheck';
  /** Of the whole check: `isCheckId`. */
  readonly id: string;
  /** Only what has come of the probes of that check so far. */
  readonly heard?: boolean;
  /** `namespace/name`; all that the node is in when absent. */
  readonly networks?: readonly string[];
  /** Only the paths to this node, and no services. */
  readonly peer?: string;
  /** All nodes of the cluster, in order. */
  readonly nodes: readonly { readonly name: string; readonly address: string }[];
}

/** The CA that the server issues certificates with, and those that it trusts. */
export type Certificates = Pick<ManagerPki, 'issuer' | 'trust'>;

export type ToAgent =
  | {
      readonly type: 'welcome';
      readonly server: string;
      readonly heartbeatMs: number;
      /** `https://host:port` of all managers; empty when the server does not know them. */
      readonly servers: readonly string[];
      readonly certificates?: Certificates;
      /** It takes `loaded`, and says `left`. */
      readonly leaving?: true;
    }
  /** The CA is being replaced: a node that has not the same gets itself a certificate (`POST /cluster/v1/renew`). */
  | { readonly type: 'certificates'; readonly certificates: Certificates }
  /** The managers have changed. */
  | { readonly type: 'servers'; readonly servers: readonly string[] }
  /**
   * The server can, or cannot, write to the store. One that cannot for the life of its lease counts as gone for the
   * others, who may have replaced what runs here: for the node it is as if it had no server.
   */
  | { readonly type: 'quorum'; readonly ok: boolean }
  /** Asks the agent to begin a session elsewhere, and only then to end this one (code `moved`). */
  | {
      readonly type: 'move';
      readonly reason: 'Rebalance' | 'ServerStopping';
      /** Servers to be tried first. */
      readonly to?: readonly string[];
    }
  | { readonly type: 'assignments'; readonly seq: number; readonly full: true; readonly set: AssignmentSet }
  | {
      readonly type: 'assignments';
      readonly seq: number;
      readonly full: false;
      readonly set: AssignmentSet;
      readonly remove: AssignmentRemovals;
    }
  /**
   * Of these tasks of the node (uids), all of which are to stop, it is known that no node sends connections to them any
   * more.
   */
  | { readonly type: 'left'; readonly tasks: readonly string[] }
  /** Asks the agent to dial `GET /session/v1/streams/<id>` and serve the request there. */
  | {
      readonly type: 'stream';
      readonly id: string;
      readonly taskUID: string;
      readonly request: StreamRequest;
    };

export interface TaskReport {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly status: TaskStatus;
  /** The container is gone: the server takes the finalizer `orc.dev/container` off a task that is being deleted. */
  readonly gone?: boolean;
}

/** Something worth an Event on the task (e.g. `Pulling`, `Pulled`, `Started`, `Unhealthy`). */
export interface TaskEvent {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export type ToServer =
  | {
      readonly type: 'register';
      readonly node: NodeStatus;
      readonly labels?: Readonly<Record<string, string>>;
      /** It says `loaded` to a server that takes it. */
      readonly leaving?: true;
    }
  /**
   * The kernel of the node follows all Endpoints up to the frame of that number. Said of frames that changed Endpoints,
   * and of full ones.
   */
  | { readonly type: 'loaded'; readonly seq: number }
  /** The node's description changed. */
  | { readonly type: 'heartbeat'; readonly node?: NodeStatus }
  | {
      readonly type: 'report';
      readonly tasks: readonly TaskReport[];
      readonly events?: readonly TaskEvent[];
    };

/**
 * How long a task that is to stop waits at most until it has left everywhere: its signal comes then, whoever has not
 * answered. Nodes answer within some tens of milliseconds; this is for one that hangs, for a server that is away, and for
 * the time that another one takes to lead. A longer one would hold up each stop for as long as a node hangs.
 */
export const leaveWithinMs = 2_000;

/** Close codes of a session's WebSocket. */
export const sessionClose = {
  done: 1000,
  stopping: 1001,
  frameMissing: 4000,
  replaced: 4001,
  /** The agent has a session elsewhere; the reason is that of the `move` it followed. */
  moved: 4002,
  badFrame: 4003,
  nodeRemoved: 4004,
  heartbeatLost: 4005,
} as const;

/** First byte of each binary frame on a stream; the numbers are those of Kubernetes' remote command v4/v5. */
export const channel = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;

/** JSON on the `status` channel, the last frame of a stream. `exitCode` is absent for logs. */
export interface StreamEnd {
  readonly exitCode?: number;
  readonly error?: string;
}
