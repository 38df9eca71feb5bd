import { WebSocket } from 'ws';
import {
  sessionClose,
  type AssignmentSet,
  type Certificates,
  type NodeStatus,
  type ToAgent,
  type ToServer,
} from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { Assignments } from './assignments.ts';

export interface LinkEnd {
  readonly endpoint: string;
  readonly code: number;
  readonly reason: string;
}

export interface LinkOptions {
  readonly endpoint: string;
  /** Open, and nothing has been said on it. */
  readonly socket: WebSocket;
  readonly node: NodeStatus;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly describe: () => NodeStatus | Promise<NodeStatus>;
  readonly logger: Logger;
  readonly clock: Clock;
  /** The set is complete, for the first time or after a change. */
  onSet(link: Link): void;
  onFrame(link: Link, frame: Extract<ToAgent, { type: 'stream' | 'move' | 'quorum' | 'left' }>): void;
  onServers(servers: readonly string[]): void;
  /** What the server issues with and trusts has come, or is another: see `certificates`. */
  onCertificates(link: Link): void;
}

const missedPongs = 3;
const firstHeartbeatMs = 1_000;
/** Every so many heartbeats the node is described again, in case something changed that nobody told. */
const describeEvery = 3;
/** How long the server has to take notice of a goodbye. */
const goodbyeMs = 1_000;

/** One session with one server, from its registration to its end. */
export class Link {
  readonly endpoint: string;
  readonly ended: Promise<LinkEnd>;
  /** True once the first full set is there; false when the link ended before. */
  readonly ready: Promise<boolean>;
  /** Name of the server; empty before `welcome`. */
  server = '';
  /** What the server issues certificates with and trusts, when it has said so. */
  certificates: Certificates | undefined;
  /** Whether it could write to the store when it last said so. */
  hasQuorum = true;
  readonly #options: LinkOptions;
  readonly #assignments = new Assignments();
  /** The server takes `loaded`. */
  #takesLoaded = false;
  /** The last frame that changed Endpoints, while nobody has said that they are loaded. */
  #toLoad: number | undefined;
  #heartbeatMs = firstHeartbeatMs;
  #unanswered = 0;
  #beats = 0;
  #why: string | undefined;
  #described: string;
  #describing = false;
  #cancelBeat = (): void => undefined;
  #resolveReady: (isReady: boolean) => void = () => undefined;

  constructor(options: LinkOptions) {
    const { endpoint, socket, node, labels } = options;
    this.#options = options;
    this.endpoint = endpoint;
    this.#described = JSON.stringify(node);
    this.ready = new Promise((resolve) => (this.#resolveReady = resolve));
    this.ended = new Promise((resolve) => {
      socket.once('close', (code, reason) => {
        this.#cancelBeat();
        this.#resolveReady(false);
        const said = reason.toString();
        resolve({ endpoint, code, reason: this.#why ?? (said || `the connection ended (${String(code)})`) });
      });
    });
    socket.on('pong', () => (this.#unanswered = 0));
    socket.on('message', (data: Buffer) => this.#receive(data));
    this.send({ type: 'register', leaving: true, node, ...(labels === undefined ? {} : { labels }) });
    this.#beatLater();
  }

  get heartbeatMs(): number {
    return this.#heartbeatMs;
  }

  /** The complete set; undefined before `ready`. */
  get set(): AssignmentSet | undefined {
    return this.#assignments.current;
  }

  /** Never throws; what is sent after the end is lost. */
  send(frame: ToServer): void {
    const { socket } = this.#options;
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame));
  }

  /**
   * Tells the server when the Endpoints that have come are loaded. Should they never be, the next that are loaded count
   * for these, too.
   */
  acknowledge(loading: Promise<void> | void): void {
    const seq = this.#toLoad;
    this.#toLoad = undefined;
    if (seq === undefined || !this.#takesLoaded) return;
    Promise.resolve(loading).then(
      () => this.send({ type: 'loaded', seq }),
      (error: unknown) =>
        this.#options.logger.warn({ error: messageOf(error) }, 'Endpoints cannot be loaded'),
    );
  }

  close(code: number, reason: string): void {
    const { socket, clock } = this.#options;
    this.#why ??= reason;
    socket.close(code, reason);
    const cancel = clock.after(goodbyeMs, () => socket.terminate());
    socket.once('close', cancel);
  }

  /** Sends the description when it is another than the last one sent. */
  async describe(): Promise<void> {
    if (this.#describing) return;
    this.#describing = true;
    try {
      const node = await this.#options.describe();
      const json = JSON.stringify(node);
      if (json === this.#described) return;
      this.#described = json;
      this.send({ type: 'heartbeat', node });
    } catch (error) {
      this.#options.logger.warn({ error: messageOf(error) }, 'The node could not be described');
    } finally {
      this.#describing = false;
    }
  }

  /**
   * Counts pongs, not time: an agent that was busy for long has heard nothing, and finds what came meanwhile before
   * its next beat.
   */
  #beat(): void {
    const { socket } = this.#options;
    if (this.#unanswered >= missedPongs) {
      this.#why = `the server was not heard for ${String((missedPongs * this.#heartbeatMs) / 1000)} s`;
      return socket.terminate();
    }
    this.#unanswered += 1;
    this.#beats += 1;
    if (socket.readyState === WebSocket.OPEN) socket.ping();
    if (this.#beats % describeEvery === 0) void this.describe();
    this.#beatLater();
  }

  #beatLater(): void {
    this.#cancelBeat();
    this.#cancelBeat = this.#options.clock.after(this.#heartbeatMs, () => this.#beat());
  }

  #receive(data: Buffer): void {
    this.#unanswered = 0;
    try {
      this.#handle(JSON.parse(data.toString('utf8')) as ToAgent);
    } catch (error) {
      this.#options.logger.error({ error: messageOf(error) }, 'A frame of the server could not be handled');
      this.close(sessionClose.badFrame, 'A frame could not be handled');
    }
  }

  #handle(frame: ToAgent): void {
    const { onSet, onFrame, onServers, onCertificates, logger } = this.#options;
    switch (frame.type) {
      case 'welcome':
        this.server = frame.server;
        this.#takesLoaded = frame.leaving === true;
        this.#heartbeatMs = frame.heartbeatMs;
        this.#beatLater();
        this.certificates = frame.certificates;
        onCertificates(this);
        return onServers(frame.servers ?? []);
      case 'certificates':
        this.certificates = frame.certificates;
        return onCertificates(this);
      case 'servers':
        return onServers(frame.servers);
      case 'stream':
      case 'move':
      case 'quorum':
      case 'left':
        return onFrame(this, frame);
      case 'assignments':
        if (!this.#assignments.apply(frame)) {
          logger.warn({ seq: frame.seq }, 'An assignments frame is missing: dialling again for a full set');
          return this.close(sessionClose.frameMissing, 'A frame is missing');
        }
        if (frame.full || frame.set.endpoints.length + frame.remove.endpoints.length > 0)
          this.#toLoad = frame.seq;
        this.#resolveReady(true);
        return onSet(this);
    }
  }
}
