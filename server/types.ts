/** What the API server needs from others, and what its handlers pass to each other. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Node, Task } from '../api-schemas/index.ts';
import type { AnyKindDef } from '../api-schemas/kinds.ts';
import type { Clock } from '../kit/clock.ts';
import type { ApiError } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import type { Registry } from '../store/types.ts';

/** Who asks: CN and O of the client certificate. */
export interface Identity {
  readonly name: string;
  readonly groups: readonly string[];
  /** SHA-256 of the certificate's public key (SPKI DER), hex. */
  readonly keyDigest?: string;
}

/** Streams of tasks and nodes; the node gateway serves them. None throws: they answer errors themselves. */
export interface Streams {
  /** `GET …/tasks/NAME/log`; query as Kubernetes' pods/log. */
  handleLog(request: IncomingMessage, response: ServerResponse, task: Task): Promise<void>;
  /** `GET …/nodes/NAME/netcheck`. */
  handleNetCheck(request: IncomingMessage, response: ServerResponse, node: Node): Promise<void>;
  /** The WebSocket `…/tasks/NAME/exec` (`v5.channel.k8s.io`). */
  handleExec(request: IncomingMessage, socket: Duplex, head: Buffer, task: Task): Promise<void>;
}

/**
 * Upgrades under `/session/v1`; called only for nodes (group `system:nodes`) with a verified certificate. What is
 * refused is answered there, and told to `onRefused`.
 */
export interface Sessions {
  handleUpgrade(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    caller: Identity,
    onRefused?: (error: ApiError) => void,
  ): void;
  /** `POST /session/v1/loaded`, of another server: which nodes have loaded all Endpoints. Throws ApiError. */
  handleLoaded(question: unknown): Promise<unknown>;
}

/** Answers below `/cluster/v1/`; see `cluster/`. Throws ApiError. */
export interface ClusterDoor {
  handle(call: {
    readonly method: string;
    readonly path: string;
    readonly query: URLSearchParams;
    readonly identity: Identity;
    /** The address that it comes from. */
    readonly from?: string;
    body(): Promise<unknown>;
  }): Promise<Reply>;
  /** `https://host:port` of all managers. */
  servers(): readonly string[];
  /** Why a node is none, or not with that key; undefined when it is one. */
  refusalOf(node: string, keyDigest: string | undefined): string | undefined;
  /** What was refused, by reason, since the start; `/metrics` shows it. */
  readonly refusals: Readonly<Record<string, number>>;
}

export interface ServerOptions {
  readonly registry: Registry;
  readonly listen: { readonly host: string; /** 0: any free port. */ readonly port: number };
  /** PEM. `ca` verifies client certificates. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly logger: Logger;
  readonly clock: Clock;
  /** Of orc, e.g. `0.1.0`. */
  readonly version: string;
  readonly sessions?: Sessions;
  readonly streams?: Streams;
  readonly cluster?: ClusterDoor;
  /** Answers `/readyz`; a text says why not. Default: ready when a consistent read succeeds. */
  readonly ready?: () => Promise<string | undefined>;
  readonly limits?: Partial<Limits>;
  /** Why the store does not answer, where that is known: told to who cannot be served, or not with what is newest. */
  readonly storeTrouble?: () => string | undefined;
  /** Counters that `/metrics` shows as `orc_store_<name>`, e.g. those of the store's writer. */
  readonly storeCounters?: () => Readonly<Record<string, number>>;
}

export interface Limits {
  /** Requests being answered at a time, watches and streams apart; more get 429. Default 400. */
  readonly inFlight: number;
  /** Open watches; more get 429. Default 10 000. */
  readonly watches: number;
  /** Bytes of a request body; more get 413. Default 4 MiB. */
  readonly bodyBytes: number;
  /** Bytes that wait for a slow watcher before it is dropped. Default 4 MiB. */
  readonly watchBufferBytes: number;
  /** Milliseconds between bookmarks. Default 60 000. */
  readonly bookmarkMs: number;
}

export interface RunningServer {
  /** `https://host:port` */
  readonly url: string;
  /**
   * From now on new connections see this certificate. Those that are open stay as they are, but for who came with a
   * certificate of a CA that is not trusted any more: they end, idle ones at once, others within two seconds.
   */
  renewTls(tls: ServerOptions['tls']): void;
  /** Ends watches and streams, stops accepting, waits for the requests under way. Idempotent. */
  close(): Promise<void>;
}

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** A request about objects, with its path understood. */
export interface ResourceCall {
  readonly def: AnyKindDef;
  readonly verb: Verb;
  /** Empty for cluster scope and for all namespaces. */
  readonly namespace: string;
  /** Empty for collections. */
  readonly name: string;
  /** `status`, `scale`, `log`, `exec`, `netcheck`; empty for the object itself. */
  readonly subresource: string;
  readonly query: URLSearchParams;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly identity: Identity;
  /** Adds a `Warning` header to the answer. */
  warn(text: string): void;
  /** Says that the request stores nothing, for the log. */
  noteDryRun(): void;
  /** Aborts when the client goes away or the server closes. */
  readonly signal: AbortSignal;
}

/** An answer to be sent; a handler that answers by itself returns undefined. */
export interface Reply {
  readonly code: number;
  /** JSON, unless `type` says else. */
  readonly body: unknown;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent instead of `body`, as it comes; an answer that breaks off breaks the connection. */
  readonly stream?: AsyncIterable<Buffer>;
}

/** What every handler works with. */
export interface Api {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: Limits;
  readonly streams: Streams | undefined;
  readonly storeTrouble: () => string | undefined;
  /** Where the API listens. */
  listening(): Listening;
}

/** An address as bound: `0` and names are resolved once the server listens. */
export interface Listening {
  readonly address: string;
  readonly port: number;
}
