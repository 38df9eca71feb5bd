import { Agent, request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { isApiError } from '../kit/errors.ts';
import { backoffMs } from '../kit/backoff.ts';
import { sleep, systemClock, type Clock } from '../kit/clock.ts';
import { parseServers, serversHeader } from './servers-header.ts';
import { warningsOf } from './warnings.ts';
import { connectionError, ConnectionError, errorOfBody } from './errors.ts';

/** PEM texts. The server is always verified against `ca`, and by name. */
export interface TlsIdentity {
  readonly ca: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface TransportOptions {
  /** `https://host:port`, each a server of the same cluster; the last one that answered is tried first. */
  readonly endpoints: readonly string[];
  readonly tls: TlsIdentity;
  readonly token?: string | undefined;
  /** Becomes the field manager of writes that name none. Default `orc`. */
  readonly userAgent?: string;
  /** Longest wait for any answer that does not last, instead of what each request says. 0: for ever. */
  readonly requestTimeoutMs?: number | undefined;
  /** Told of each request before it is sent: its method and path. */
  readonly onRequest?: ((method: string, path: string) => void) | undefined;
  /** Told of what a server warns of, e.g. that an answer is not of now. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /**
   * Told with each answer which server gave it, and which servers it says there are. With this, they are tried too
   * from then on; without it, no other is ever asked than `endpoints`.
   */
  readonly onServers?: ((answered: string, servers: readonly string[]) => void) | undefined;
  readonly clock?: Clock;
  readonly random?: () => number;
}

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface RequestOptions {
  readonly method?: string;
  readonly path: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal | undefined;
  /** Longest wait for the answer to begin, and between its pieces. Default 30 s; 0: for ever. */
  readonly timeoutMs?: number;
  /** The request may be sent twice without harm. Default: GET only. */
  readonly idempotent?: boolean;
  /** The answer lasts (watch, logs): it gets a connection of its own. */
  readonly streaming?: boolean;
}

const connectTimeoutMs = 5_000;
const busyTries = 5;

/** Query in URL form, with its `?`; undefined values are left out, arrays repeat the name. */
export function queryString(query: Query = {}): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? (value as string[]) : [String(value)]) params.append(name, one);
  }
  const text = params.toString();
  return text === '' ? '' : `?${text}`;
}

export async function readText(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of response) parts.push(part as Buffer);
  return Buffer.concat(parts).toString('utf8');
}

/** Requests to whichever server answers. Throws ApiError for refusals, ConnectionError when none is reached. */
export class Transport {
  readonly tls: TlsIdentity;
  readonly clock: Clock;
  readonly random: () => number;
  readonly #options: TransportOptions;
  readonly #plain: Agent;
  readonly #lasting: Agent;
  #endpoints: readonly string[];
  /** The server that answered last. */
  #preferred: string;

  constructor(options: TransportOptions) {
    if (options.endpoints.length === 0) throw new Error('a client needs at least one server address');
    this.#options = options;
    this.#endpoints = options.endpoints;
    this.#preferred = options.endpoints[0] ?? '';
    this.tls = options.tls;
    this.clock = options.clock ?? systemClock;
    this.random = options.random ?? Math.random;
    const tls = { ...options.tls, minVersion: 'TLSv1.3' as const, keepAlive: true, keepAliveMsecs: 15_000 };
    this.#plain = new Agent({ ...tls, maxSockets: 16, maxFreeSockets: 8 });
    this.#lasting = new Agent({ ...tls, maxFreeSockets: 2 });
  }

  /** The server that answered last. */
  get endpoint(): string {
    return this.#preferred;
  }

  get headers(): Readonly<Record<string, string>> {
    return {
      'user-agent': this.#options.userAgent ?? 'orc',
      ...(this.#options.token === undefined ? {} : { authorization: `Bearer ${this.#options.token}` }),
    };
  }

  /** Runs `attempt` against each server in turn, from the last good one, until one is reached. */
  async overEndpoints<T>(attempt: (endpoint: string) => Promise<T>, idempotent: boolean): Promise<T> {
    const endpoints = this.#endpoints;
    const first = Math.max(0, endpoints.indexOf(this.#preferred));
    let failure: unknown;
    for (const endpoint of [...endpoints.slice(first), ...endpoints.slice(0, first)]) {
      try {
        const result = await attempt(endpoint);
        this.#preferred = endpoint;
        return result;
      } catch (error) {
        failure ??= error;
        if (!(error instanceof ConnectionError) || !(error.notSent || idempotent)) throw error;
      }
    }
    throw failure;
  }

  /** Resolves with a 2xx answer whose body is unread. A busy server (429, or 503 with Retry-After) is asked again. */
  async request(options: RequestOptions): Promise<IncomingMessage> {
    const { method = 'GET', path } = options;
    const idempotent = options.idempotent ?? method === 'GET';
    this.#options.onRequest?.(method, path);
    for (let tries = 1; ; tries++) {
      const response = await this.overEndpoints(
        (endpoint) => this.#send(endpoint, options, idempotent),
        idempotent,
      );
      const code = response.statusCode ?? 500;
      if (code < 300) return response;
      const error = errorOfBody(code, await readText(response));
      const wait = Number(response.headers['retry-after'] ?? error.details?.retryAfterSeconds);
      const busy = code === 429 || (code === 503 && idempotent);
      if (!isApiError(error) || !busy || !(wait >= 0) || tries >= busyTries) throw error;
      const jitter = backoffMs(tries, { baseMs: 100, maxMs: 2_000, random: this.random });
      await sleep(this.clock, Math.min(wait, 10) * 1_000 + jitter, options.signal);
    }
  }

  async json(options: RequestOptions): Promise<unknown> {
    const response = await this.request({
      ...options,
      headers: {
        accept: 'application/json',
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
    });
    try {
      return JSON.parse(await readText(response)) as unknown;
    } catch (error) {
      if (options.signal?.aborted) throw options.signal.reason;
      throw connectionError(this.endpoint, error, true);
    }
  }

  async #send(endpoint: string, options: RequestOptions, retryStale: boolean): Promise<IncomingMessage> {
    const sent = { reused: false };
    try {
      return await this.#once(endpoint, options, sent);
    } catch (error) {
      const stale = error instanceof ConnectionError && error.code === 'ECONNRESET' && sent.reused;
      if (!stale || !retryStale) throw error;
      return this.#once(endpoint, options, sent);
    }
  }

  #once(endpoint: string, options: RequestOptions, sent: { reused: boolean }): Promise<IncomingMessage> {
    const { signal, body } = options;
    const everyMs = options.streaming === true ? undefined : this.#options.requestTimeoutMs;
    const timeoutMs = everyMs ?? options.timeoutMs ?? 30_000;
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      let connected = false;
      const request = httpsRequest(`${endpoint}${options.path}${queryString(options.query)}`, {
        method: options.method ?? 'GET',
        agent: options.streaming ? this.#lasting : this.#plain,
        headers: {
          ...this.headers,
          ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
          ...options.headers,
        },
        ...(signal === undefined ? {} : { signal }),
      });
      const timedOut = (): void => {
        request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' }));
      };
      request.setTimeout(timeoutMs, timedOut);
      request.once('socket', (socket) => {
        if (!socket.connecting && (socket as TLSSocket).getProtocol() !== null) {
          connected = true;
          return;
        }
        const cancel = this.clock.after(connectTimeoutMs, timedOut);
        socket.once('close', cancel);
        socket.once('secureConnect', () => {
          connected = true;
          cancel();
        });
      });
      request.once('response', (response) => {
        for (const text of warningsOf(response.headers)) this.#options.onWarning?.(text);
        this.#learn(endpoint, parseServers(response.headers[serversHeader]));
        resolve(response);
      });
      request.once('error', (error) => {
        sent.reused = request.reusedSocket;
        reject(signal?.aborted ? (signal.reason as Error) : connectionError(endpoint, error, connected));
      });
      request.end(body);
    });
  }

  #learn(answered: string, servers: readonly string[]): void {
    const { onServers } = this.#options;
    if (onServers === undefined || servers.length === 0) return;
    onServers(answered, servers);
    const news = servers.filter((server) => !this.#endpoints.includes(server));
    if (news.length > 0) this.#endpoints = [...this.#endpoints, ...news];
  }

  /** Closes idle and busy connections. */
  close(): void {
    this.#plain.destroy();
    this.#lasting.destroy();
  }
}
