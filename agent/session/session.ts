import type { WebSocket } from 'ws';
import {
  sessionClose,
  type AssignmentSet,
  type Certificates,
  type NodeStatus,
  type StreamRequest,
  type TaskEvent,
  type TaskReport,
  type ToAgent,
} from '../../api-schemas/index.ts';
import type { TlsIdentity } from '../../client/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { dial, localAddressOf } from './dial.ts';
import { Link, type LinkEnd } from './link.ts';
import { Outbox } from './outbox.ts';
import { reach } from './reach.ts';
import { Servers } from './servers.ts';
import type { SignOfLife } from './sign-of-life.ts';
import { agentStream, holdFrames, type AgentStream } from './stream.ts';

export interface SessionOptions {
  /** `https://host:port` of servers to begin with; servers tell of the others. */
  readonly endpoints: readonly string[];
  /** One of them that is tried before all others: the server on this machine. */
  readonly prefer?: string | undefined;
  /** File that keeps what servers told of each other. Absent: they are forgotten. */
  readonly serversFile?: string | undefined;
  /** Asked before each dial, so that a renewed certificate is used. */
  readonly tls: () => TlsIdentity | Promise<TlsIdentity>;
  /** What the node is now; asked now and then, and sent when it changed. Must not wait long. */
  readonly describe: () => NodeStatus | Promise<NodeStatus>;
  /** Labels a new Node object starts with. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Says that the process lives, to the server of the session; ended with it. */
  readonly signOfLife?: SignOfLife | undefined;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random?: () => number;
  /**
   * The complete set, after each full or partial change. Never called before a server has said what is assigned.
   * Resolves when the kernel follows its Endpoints, rejects when it cannot.
   */
  onAssignments(set: AssignmentSet): Promise<void> | void;
  /** No node sends connections to these tasks (uids) any more, all of which are to stop. */
  onLeft?(tasks: readonly string[]): void;
  /** Serve the request on `openStream(id)`. */
  onStream(id: string, taskUID: string, request: StreamRequest): void;
  /** A session began, maybe in the place of another, and its full set has been given to `onAssignments`. */
  onConnect?(server: string): void;
  onDisconnect?(reason: string): void;
  /** The server of the session can, or cannot, write to the store. */
  onQuorum?(ok: boolean): void;
  /** What the server at `endpoint` issues certificates with and trusts: now, and when that changes. */
  onCertificates?(certificates: Certificates, endpoint: string): void;
}

/** The agent's end of the node session; keeps one for as long as it is open. No call waits for the network. */
export interface AgentSession {
  readonly connected: boolean;
  /** `https://host:port` of all servers that are known. */
  servers(): readonly string[];
  /** This machine's address as the last server that was reached sees it, or could; undefined before. */
  address(): string | undefined;
  /** The latest report of a task wins. All are sent again when a new session begins. */
  report(report: TaskReport): void;
  event(event: TaskEvent): void;
  /** The description may have changed: does not wait for the next heartbeat. */
  describeAgain(): void;
  /** The certificate of the node, or whom it trusts, is another now: what is dialled from here on goes by it. */
  renewed(): void;
  openStream(id: string): Promise<AgentStream>;
  /** Ends the session; containers run on. */
  close(): void;
}

/** A session that lasted this long was a good one: the next failure is the first. */
const stableMs = 10_000;
/** Another agent has the node's name and key: two that replace each other must not do so without pause. */
const replacedMs = 5_000;
/** Agents that lose a server do not come to the next all at once. */
const scatterMs = 80;
const staggerMs = 500;
const handshake = { baseMs: 2_000, maxMs: 10_000 };
/** Until the first full set; a server that is cut off from the store gives none. */
const firstSet = { baseMs: 5_000, maxMs: 60_000 };
const retry = { baseMs: 100, maxMs: 3_000 };
/** Between tries to find a server that can write. */
const seekMs = 3_000;
/** The same failure of the same server is told once in this time. */
const sayAgainMs = 60_000;

export function connectSession(options: SessionOptions): AgentSession {
  if (options.endpoints.length === 0) throw new Error('an agent needs at least one server address');
  const session = new Session(options);
  void session.run();
  return session;
}

class Session implements AgentSession {
  readonly #options: SessionOptions;
  readonly #outbox: Outbox;
  readonly #servers: Servers;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  /** The one whose word counts; undefined while there is none. */
  #link: Link | undefined;
  #moving: Promise<void> | undefined;
  #address: string | undefined;
  /** Rounds in a row after which there was no session that lasted. */
  #failures = 0;
  /** Where each stream that was asked for is to be dialled. */
  readonly #streams = new Map<string, Link>();
  readonly #said = new Map<string, { readonly reason: string; readonly atMs: number }>();

  constructor(options: SessionOptions) {
    const { endpoints, prefer, serversFile: file, logger, clock, random = Math.random } = options;
    this.#options = options;
    this.#random = random;
    this.#outbox = new Outbox(clock);
    this.#servers = new Servers({ initial: endpoints, prefer, file, logger, random });
  }

  get connected(): boolean {
    return this.#link !== undefined;
  }

  servers(): readonly string[] {
    return this.#servers.all;
  }

  address(): string | undefined {
    return this.#address;
  }

  report(report: TaskReport): void {
    this.#outbox.report(report);
  }

  event(event: TaskEvent): void {
    this.#outbox.event(event);
  }

  describeAgain(): void {
    void this.#link?.describe();
  }

  renewed(): void {
    this.#follow();
    this.describeAgain();
  }

  async openStream(id: string): Promise<AgentStream> {
    const link = this.#streams.get(id) ?? this.#link;
    this.#streams.delete(id);
    if (link === undefined) throw new Error('there is no session with a server');
    const { signal } = this.#stop;
    const path = `/session/v1/streams/${encodeURIComponent(id)}`;
    const tls = await this.#options.tls();
    const socket = await dial(link.endpoint, path, { tls, signal, prepare: holdFrames });
    const end = (): void => socket.terminate();
    signal.addEventListener('abort', end, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', end));
    return agentStream(socket);
  }

  close(): void {
    this.#link?.close(sessionClose.done, 'The agent stopped');
    this.#stop.abort(new Error('the agent ends its session'));
    this.#options.signOfLife?.close();
  }

  /** Session after session, until closed. */
  async run(): Promise<void> {
    const { signal } = this.#stop;
    await this.#servers.load();
    for (let last: LinkEnd | undefined; !signal.aborted;) {
      await this.#connect(last);
      const began = this.#options.clock.now();
      last = await this.#over();
      if (this.#options.clock.now() - began > stableMs) this.#failures = 0;
    }
  }

  /** Round after round over all servers, until there is a session. */
  async #connect(last: LinkEnd | undefined): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const ms =
        last?.code === sessionClose.replaced
          ? replacedMs
          : this.#failures > 0
            ? backoffMs(this.#failures, { ...retry, random: this.#random })
            : last === undefined
              ? 0
              : this.#random() * scatterMs;
      await sleep(clock, ms, signal).catch(() => undefined);
      if (signal.aborted) return;
      const isUp = await this.#round(this.#servers.round(last?.endpoint));
      this.#failures += 1;
      if (isUp) return;
    }
  }

  /** Resolves when the session has ended and no other has taken its place. */
  async #over(): Promise<LinkEnd | undefined> {
    for (;;) {
      const link = this.#link;
      if (link === undefined) return undefined;
      const end = await link.ended;
      if (this.#link === link) this.#outbox.close();
      await this.#moving;
      if (this.#link !== link) continue;
      this.#link = undefined;
      this.#forgetStreams(link);
      this.#say(link.endpoint, end.reason);
      this.#options.onDisconnect?.(end.reason);
      return end;
    }
  }

  /** Uses the first of the servers that gives a session; false when none does. */
  async #round(order: readonly string[]): Promise<boolean> {
    const { clock } = this.#options;
    for (let left = order; left.length > 0;) {
      const node = await this.#described();
      if (node === undefined) return false;
      const reached = await reach(left, {
        open: (endpoint, signal) => this.#dial(endpoint, signal),
        drop: (socket) => socket.close(sessionClose.done),
        onFailure: (endpoint, error) => this.#say(endpoint, messageOf(error)),
        clock,
        staggerMs,
      });
      if (reached === undefined) return false;
      // Over loopback nobody else would reach it.
      const local = localAddressOf(reached.value);
      if (local !== '' && !/^(127\.|::1$)/.test(local)) this.#address = local;
      const link = await this.#begin(reached.endpoint, reached.value, node);
      if (link !== undefined && this.#use(link)) return true;
      left = reached.left;
    }
    return false;
  }

  async #described(): Promise<NodeStatus | undefined> {
    try {
      return await this.#options.describe();
    } catch (error) {
      this.#options.logger.error({ error: messageOf(error) }, 'The node could not be described');
      return undefined;
    }
  }

  async #dial(endpoint: string, signal: AbortSignal): Promise<WebSocket> {
    const tls = await this.#options.tls();
    const either = AbortSignal.any([signal, this.#stop.signal]);
    return dial(endpoint, '/session/v1', {
      tls,
      signal: either,
      handshakeMs: backoffMs(this.#failures + 1, handshake),
    });
  }

  /** Registers, and waits for the first full set. Undefined when there comes none. */
  async #begin(endpoint: string, socket: WebSocket, node: NodeStatus): Promise<Link | undefined> {
    const { describe, labels, logger, clock } = this.#options;
    const link = new Link({
      ...{ endpoint, socket, node, labels, describe, logger, clock },
      onSet: (from) => this.#give(from),
      onFrame: (from, frame) => this.#handle(from, frame),
      onServers: (servers) => {
        if (this.#servers.learn(servers)) this.#follow();
      },
      onCertificates: (from) => this.#followCertificates(from),
    });
    const { signal } = this.#stop;
    const onStop = (): void => link.close(sessionClose.done, 'The agent stopped');
    signal.addEventListener('abort', onStop, { once: true });
    // With no other server to go to, there is nothing to gain.
    const isOnly = this.#servers.all.length === 1;
    const ms = backoffMs(this.#failures + 1, firstSet);
    const cancel = isOnly
      ? () => undefined
      : clock.after(ms, () => link.close(sessionClose.done, `no assignments within ${String(ms / 1000)} s`));
    const isReady = await link.ready;
    cancel();
    signal.removeEventListener('abort', onStop);
    if (signal.aborted) link.close(sessionClose.done, 'The agent stopped');
    else if (isReady) return link;
    else this.#say(endpoint, (await link.ended).reason);
    return undefined;
  }

  /** False when its set could not be taken, and it was closed. */
  #use(link: Link): boolean {
    const { logger, onConnect } = this.#options;
    const before = this.#link;
    this.#link = link;
    try {
      this.#give(link);
    } catch (error) {
      this.#link = before;
      logger.error({ error: messageOf(error) }, 'The assignments could not be taken');
      link.close(sessionClose.badFrame, 'The assignments could not be taken');
      return false;
    }
    this.#outbox.open((report) => link.send(report));
    this.#said.clear();
    const { server, endpoint, set } = link;
    logger.info({ server, endpoint, tasks: set?.tasks.length }, 'Session with the server began');
    this.#follow();
    this.#followCertificates(link);
    // It may be reached by another address by now.
    void link.describe();
    onConnect?.call(this.#options, server);
    return true;
  }

  #give(link: Link): void {
    const { set } = link;
    if (link !== this.#link || set === undefined) return;
    this.#outbox.keep(new Set(set.tasks.map(({ metadata }) => metadata.uid ?? '')));
    link.acknowledge(this.#options.onAssignments(set));
  }

  #handle(link: Link, frame: Extract<ToAgent, { type: 'stream' | 'move' | 'quorum' | 'left' }>): void {
    switch (frame.type) {
      case 'stream':
        this.#streams.set(frame.id, link);
        return this.#options.onStream(frame.id, frame.taskUID, frame.request);
      case 'move':
        if (link === this.#link) this.#moveSoon(link, frame);
        return;
      case 'left':
        return this.#options.onLeft?.(frame.tasks);
      case 'quorum':
        if (link !== this.#link) return;
        link.hasQuorum = frame.ok;
        this.#options.onQuorum?.(frame.ok);
        if (!frame.ok) void this.#seekQuorum(link);
    }
  }

  #moveSoon(link: Link, frame: { readonly reason: string; readonly to?: readonly string[] }): void {
    if (this.#moving !== undefined) return;
    this.#moving = this.#move(link, frame).finally(() => (this.#moving = undefined));
  }

  /** Now and then tries the other servers, for as long as the one of the session cannot write. */
  async #seekQuorum(link: Link): Promise<void> {
    const { signal } = this.#stop;
    while (link === this.#link && !link.hasQuorum && !signal.aborted) {
      this.#moveSoon(link, { reason: 'NoQuorum' });
      await this.#moving;
      await sleep(this.#options.clock, seekMs, signal).catch(() => undefined);
    }
  }

  /** Begins a session elsewhere, and only then ends this one; goes on with this one when nobody else takes it. */
  async #move(
    link: Link,
    { reason, to = [] }: { readonly reason: string; readonly to?: readonly string[] },
  ): Promise<void> {
    const all = this.#servers.round();
    const first = to.filter((server) => all.includes(server));
    const others = [...new Set([...first, ...all])].filter((server) => server !== link.endpoint);
    if (!(await this.#round(others))) return;
    link.close(sessionClose.moved, reason);
    this.#forgetStreams(link);
    this.#options.logger.info(
      { from: link.server, to: this.#link?.server, reason },
      'Moved to another server',
    );
  }

  #forgetStreams(link: Link): void {
    for (const [id, from] of this.#streams) if (from === link) this.#streams.delete(id);
  }

  #follow(): void {
    const { signOfLife, tls } = this.#options;
    const link = this.#link;
    if (signOfLife === undefined || link === undefined) return;
    const servers = [link.endpoint, ...this.#servers.round().filter((one) => one !== link.endpoint)];
    const everyMs = link.heartbeatMs;
    Promise.resolve(tls()).then(
      (identity) => signOfLife.follow({ servers, everyMs, tls: identity }),
      () => undefined,
    );
  }

  /** A server that gives no session, being cut off from the store, may know less than others. */
  #followCertificates({ certificates, endpoint }: Link): void {
    const isInUse = this.#link?.endpoint === endpoint;
    if (isInUse && certificates !== undefined) this.#options.onCertificates?.(certificates, endpoint);
  }

  #say(server: string, reason: string): void {
    const { clock, logger } = this.#options;
    const nowMs = clock.now();
    const said = this.#said.get(server);
    if (this.#stop.signal.aborted || (said?.reason === reason && nowMs - said.atMs < sayAgainMs)) return;
    this.#said.set(server, { reason, atMs: nowMs });
    logger.warn({ server, reason }, 'No session with the server');
  }
}
