import { ConnectionPool } from 'etcd3/lib/connection-pool.js';
import type { IDuplexStream } from 'etcd3';
import { messageOf } from '../kit/errors.ts';
import { LeaderChange, type LeaderState } from './leader-change.ts';
import {
  decodeBatch,
  decodeRange,
  decodeWatch,
  encodeRange,
  type BatchResponse,
  type RangeRequest,
  type RangeResponse,
  type WatchResponse,
} from './proto.ts';

/** Where etcd is. All endpoints are members of one cluster. */
export interface ConnectOptions {
  /** `http://host:port`, `https://host:port` or `unix:/path`; all of one scheme. */
  readonly endpoints: readonly string[];
  /** For https. The server's certificate is always verified, against `ca` or else the system's roots. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer };
}

type Service = 'KV' | 'Watch' | 'Lease' | 'Maintenance' | 'Cluster';
type GrpcClient = Parameters<Parameters<ConnectionPool['withConnection']>[1]>[0]['client'];
type Metadata = Parameters<Parameters<ConnectionPool['withConnection']>[1]>[0]['metadata'];

interface Link {
  readonly client: GrpcClient;
  readonly metadata: Metadata;
}

/** What grpc-js throws: `code` is the gRPC status, `details` its text. */
export interface RpcError extends Error {
  readonly code: number;
  readonly details: string;
}

export const isRpcError = (error: unknown): error is RpcError =>
  error instanceof Error && typeof (error as Partial<RpcError>).code === 'number';

const channelOptions = {
  'grpc.max_receive_message_length': 256 * 1024 * 1024,
  'grpc.max_send_message_length': 64 * 1024 * 1024,
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc-node.flow_control_window': 4 * 1024 * 1024,
};

/** Deadline of an ordinary call, in ms. */
const callTimeoutMs = 5000;

/** gRPC status of a server that cannot be reached. */
const unavailable = 14;
const deadlineExceeded = 4;

/** As etcd says it, for what it lets us find out ourselves. */
const rpcError = (details: string, cause?: unknown): RpcError =>
  Object.assign(new Error(details, { cause }), { code: unavailable, details });

function withLeader(metadata: Metadata): Metadata {
  const more = metadata.clone();
  more.set('hasleader', 'true');
  return more;
}

function poolsOf(endpoints: readonly string[], tls: ConnectOptions['tls']): readonly ConnectionPool[] {
  const credentials =
    tls === undefined
      ? {}
      : {
          credentials: {
            ...(tls.ca === undefined ? {} : { rootCertificate: tls.ca }),
            ...(tls.key === undefined ? {} : { privateKey: tls.key }),
            ...(tls.cert === undefined ? {} : { certChain: tls.cert }),
          } as { rootCertificate: Buffer },
        };
  return endpoints.map((hosts) => new ConnectionPool({ hosts, grpcOptions: channelOptions, ...credentials }));
}

/**
 * Channels to etcd's members. Calls go to one member until it cannot be reached, then to the next.
 * It never retries by itself: only the caller knows whether a call may be made twice.
 */
export class Connection {
  readonly #endpoints: readonly string[];
  #pools: readonly ConnectionPool[];
  /** Of earlier certificates; their channels close when nothing uses them any more. */
  readonly #retired: ConnectionPool[] = [];
  readonly #links = new Map<string, Promise<Link>>();
  readonly #leaders = new LeaderChange(() => this.#leaderState());
  #current = 0;
  /** A read has waited in vain for a leader, and none has been answered since. */
  #leaderless = false;
  #closed = false;

  constructor({ endpoints, tls }: ConnectOptions) {
    if (endpoints.length === 0) throw new Error('No etcd endpoint is given');
    const secure = endpoints.filter((e) => e.startsWith('https://')).length;
    if (secure !== 0 && secure !== endpoints.length)
      throw new Error('etcd endpoints must all be https:// or none');
    if (tls !== undefined && secure === 0)
      throw new Error('TLS files are given, but the etcd endpoints are not https://');
    this.#endpoints = endpoints;
    this.#pools = poolsOf(endpoints, tls);
  }

  /**
   * Identifies itself by another certificate from now on. Streams that are open go on over their old channel:
   * a certificate counts only when a channel is made.
   */
  renewTls(tls: NonNullable<ConnectOptions['tls']>): void {
    this.#retired.push(...this.#pools);
    this.#pools = poolsOf(this.#endpoints, tls);
    this.#links.clear();
  }

  /**
   * Waits for a leader when there is none, as between two; says so when none came. After that nobody waits: who asks
   * is told at once until there is a leader again.
   */
  async range(request: RangeRequest): Promise<RangeResponse> {
    const read = (): Promise<RangeResponse> =>
      this.#raw('KV', '/etcdserverpb.KV/Range', encodeRange(request), decodeRange, {
        timeoutMs: callTimeoutMs,
        requireLeader: this.#leaderless,
      });
    try {
      // A read that waited for a leader is told that there is one now: the second attempt is with that.
      const answer = await read().catch((error: unknown) => {
        if (!messageOf(error).includes('leader changed')) throw error;
        return read();
      });
      this.#leaderless = false;
      return answer;
    } catch (error) {
      const explained = await this.#explained(error);
      this.#leaderless = isRpcError(explained) && explained.details.includes('no leader');
      throw explained;
    }
  }

  /**
   * `batch` comes from `encodeBatch`. Refused at once, and so certainly not made, where no leader is known; left
   * in doubt at once, too, when the leader that it went to is gone.
   */
  txn(batch: Buffer, timeoutMs: number): Promise<BatchResponse> {
    // A deadline that is all but over leaves a write in doubt that would have been refused.
    const options = { timeoutMs: Math.max(timeoutMs, 500), requireLeader: true };
    return this.#leaders.orLost(this.#raw('KV', '/etcdserverpb.KV/Txn', batch, decodeBatch, options), () =>
      rpcError('etcdserver: leader changed'),
    );
  }

  /**
   * Any other unary call, by its name in etcd's proto (`leaseGrant`), with numbers as strings. `requireLeader`:
   * it is refused at once where no leader is known.
   */
  async call<R>(
    service: Service,
    method: string,
    request: object,
    timeoutMs = callTimeoutMs,
    { requireLeader = false } = {},
  ): Promise<R> {
    const index = this.#current;
    const link = await this.#link(service, index);
    const { client } = link;
    const metadata = requireLeader ? withLeader(link.metadata) : link.metadata;
    return new Promise<R>((resolve, reject) => {
      type Method = (
        request: object,
        metadata: Metadata,
        options: { deadline: number },
        done: (error: Error | null, response: R) => void,
      ) => void;
      const done = (error: Error | null, response: R): void =>
        error === null ? resolve(response) : reject(this.#failed(index, error));
      const call = (client as unknown as Record<string, Method>)[method];
      if (call === undefined) throw new Error(`etcd has no call ${service}.${method}`);
      call.call(client, request, metadata, { deadline: Date.now() + timeoutMs }, done);
    });
  }

  /** The watch stream; its member ends it when it loses its cluster. Errors must be handled by the caller. */
  async watch(): Promise<IDuplexStream<Buffer, WatchResponse>> {
    const index = this.#current;
    const { client, metadata } = await this.#link('Watch', index);
    const stream = client.makeBidiStreamRequest(
      '/etcdserverpb.Watch/Watch',
      (request: Buffer) => request,
      decodeWatch,
      withLeader(metadata),
    );
    stream.on('error', (error: Error) => this.#failed(index, error));
    return stream as unknown as IDuplexStream<Buffer, WatchResponse>;
  }

  /** The keep-alive stream of leases, with ids as strings. */
  async keepAlive(): Promise<IDuplexStream<{ ID: string }, { ID: string; TTL: string }>> {
    const index = this.#current;
    const { client, metadata } = await this.#link('Lease', index);
    type Open = (metadata: Metadata) => IDuplexStream<{ ID: string }, { ID: string; TTL: string }>;
    const stream = (client as unknown as { leaseKeepAlive: Open }).leaseKeepAlive(metadata);
    stream.on('error', (error: Error) => this.#failed(index, error));
    return stream;
  }

  close(): void {
    this.#closed = true;
    for (const pool of [...this.#pools, ...this.#retired]) pool.close();
  }

  async #raw<R>(
    service: Service,
    path: string,
    request: Buffer,
    decode: (data: Buffer) => R,
    { timeoutMs, requireLeader = false }: { readonly timeoutMs: number; readonly requireLeader?: boolean },
  ): Promise<R> {
    const index = this.#current;
    const { client, metadata } = await this.#link(service, index);
    return new Promise<R>((resolve, reject) => {
      client.makeUnaryRequest(
        path,
        (buffer: Buffer) => buffer,
        decode,
        request,
        requireLeader ? withLeader(metadata) : metadata,
        { deadline: Date.now() + timeoutMs },
        (error, response) =>
          error === null && response !== undefined
            ? resolve(response)
            : reject(this.#failed(index, error ?? new Error(`etcd answered ${path} with nothing`))),
      );
    });
  }

  #link(service: Service, index: number): Promise<Link> {
    if (this.#closed) return Promise.reject(new Error('The connection to etcd is closed'));
    const id = `${index}/${service}`;
    const known = this.#links.get(id);
    if (known !== undefined) return known;
    const pool = this.#pools[index] as ConnectionPool;
    const link = pool.withConnection(service, ({ client, metadata }) => ({ client, metadata }));
    this.#links.set(id, link);
    link.catch(() => this.#links.delete(id));
    return link;
  }

  /** A read without an answer may have waited for a leader: its member knows, but does not say so. */
  async #explained(error: unknown): Promise<unknown> {
    if (!isRpcError(error)) return error;
    if (error.code !== deadlineExceeded && !error.details.includes('timed out')) return error;
    const state = await this.#leaderState().catch(() => undefined);
    return state?.leader === '0' ? rpcError('etcdserver: no leader', error) : error;
  }

  #leaderState(): Promise<LeaderState> {
    return this.call<LeaderState>('Maintenance', 'status', {}, 2000);
  }

  #failed(index: number, error: Error): Error {
    if (isRpcError(error) && error.code === unavailable && index === this.#current)
      this.#current = (index + 1) % this.#pools.length;
    return error;
  }
}
