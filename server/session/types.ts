import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Certificates, Node, Obj, StreamRequest, Task } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import type { ApiError } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { Registry } from '../../store/types.ts';
import type { FrameStream } from './frames.ts';

/** Who sent a request: CN and O of its client certificate. */
export interface Caller {
  readonly name: string;
  readonly groups: readonly string[];
  /** SHA-256 of its public key, hex. */
  readonly keyDigest?: string;
}

export interface GatewayOptions {
  readonly registry: Registry;
  /** Written to `Node.status.session.server`; the server's own Lease is `orc-system/server-<name>`. */
  readonly serverName: string;
  readonly logger: Logger;
  readonly clock: Clock;
  /** Why the node with that key may not have a session; undefined: it may. Default: each may. */
  readonly refusalOf?: (node: string, keyDigest: string | undefined) => string | undefined;
  readonly recordEvent: (
    object: Obj,
    event: { readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly message: string },
  ) => void;
  /** Told to agents. Default 1,000; a node that misses three, and gives no sign of life, loses its session. */
  readonly heartbeatMs?: number;
  /** Whether the server's lease is held, so that its word counts; told to agents. Default: always. */
  readonly hasQuorum?: () => boolean;
  /** `https://host:port` of all managers, told to agents. Default: none. */
  readonly servers?: () => readonly string[];
  /** Told to agents, so that they follow, while there is a quorum. Default: nothing is told. */
  readonly certificates?: () => Certificates;
  /** PEM texts with which this server asks others for the streams of their nodes. Absent: it does not. */
  readonly peerTls?: () => { readonly ca: string; readonly cert: string; readonly key: string };
}

/**
 * What agents are to follow; undefined when they are to stay as they are. A server that is cut off from the store does
 * not know how far the replacement of the CA is, and would lead them back.
 */
export const certificatesToTell = ({
  certificates,
  hasQuorum,
}: Pick<GatewayOptions, 'certificates' | 'hasQuorum'>): Certificates | undefined =>
  (hasQuorum?.() ?? true) ? certificates?.() : undefined;

/** The server's end of node sessions, and the streams that run through them. */
export interface Gateway {
  /**
   * Paths below `/session/v1`. Answers 403 to who is not a node, 404 to other paths, and tells `onRefused`. Never
   * throws.
   */
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    caller: Caller,
    onRefused?: (error: ApiError) => void,
  ): void;
  /**
   * Has the task's agent serve `request`. Throws ApiError: 400 when the task is on no node yet, 503 when
   * its node has no session here, 504 when it does not answer within 10 s.
   */
  openStream(task: Task, request: StreamRequest, signal?: AbortSignal): Promise<FrameStream>;
  /** `GET …/tasks/NAME/log`, asked of another server if that holds the session. Answers errors itself. Never throws. */
  handleLog(request: IncomingMessage, response: ServerResponse, task: Task): Promise<void>;
  /** `GET …/nodes/NAME/netcheck`, asked of another server if that holds the session. Answers errors itself. Never throws. */
  handleNetCheck(request: IncomingMessage, response: ServerResponse, node: Node): Promise<void>;
  /** The WebSocket `…/tasks/NAME/exec`, asked of another server if that holds the session. Never throws. */
  handleExec(request: IncomingMessage, socket: Duplex, head: Buffer, task: Task): Promise<void>;
  /**
   * Answers another server: see `loadedHere`; within the time that a task has for leaving. Throws ApiError: 400 for what
   * is no question, 504 when the store does not tell what there is.
   */
  handleLoaded(question: unknown): Promise<{ readonly nodes: readonly string[] }>;
  /** Names of the nodes whose session this server holds. */
  connected(): readonly string[];
  /**
   * Has the agents go to other servers, if there are any, then ends all sessions and streams. Node objects of those
   * that stayed keep naming this server: its Lease says that it is gone.
   */
  close(): Promise<void>;
}

/** Group of node certificates, and the prefix of their CN before the node's name. */
export const nodesGroup = 'system:nodes';
export const nodeUserPrefix = 'system:node:';

export const sessionPath = '/session/v1';
export const alivePath = '/session/v1/alive';
/** Where servers ask each other which nodes have loaded all Endpoints. */
export const loadedPath = '/session/v1/loaded';
export const streamsPath = '/session/v1/streams/';
/** The agent takes it off through a report that says `gone`. */
export const containerFinalizer = 'orc.dev/container';
