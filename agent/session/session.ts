import type { WebSocket } from 'ws';
import type {
  AssignmentSet,
  NodeStatus,
  StreamRequest,
  TaskEvent,
  TaskReport,
  ToAgent,
  ToServer,
} from '../../api-schemas/index.ts';
import type { TlsIdentity } from '../../client/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { Assignments } from './assignments.ts';
import { dial } from './dial.ts';
import { Outbox } from './outbox.ts';
import { agentStream, holdFrames, type AgentStream } from './stream.ts';

export interface SessionOptions {
  /** `https://host:port` of servers of the cluster; when one fails, the next is tried. */
  readonly endpoints: readonly string[];
  /** Asked before each dial, so that a renewed certificate is used. */
  readonly tls: () => TlsIdentity | Promise<TlsIdentity>;
  /** What the node is now; asked at each heartbeat, and sent when it changed. Must not wait long. */
  readonly describe: () => NodeStatus | Promise<NodeStatus>;
  /** Labels a new Node object starts with. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random?: () => number;
  /** The complete set, after each full or partial change. Never called before a server has said what is assigned. */
  onAssignments(set: AssignmentSet): void;
  /** Serve the request on `openStream(id)`. */
  onStream(id: string, taskUID: string, request: StreamRequest): void;
  /** A session began and its full set has been given to `onAssignments`. */
  onConnect?(server: string): void;
  onDisconnect?(reason: string): void;
}

/** The agent's end of the node session; keeps one for as long as it is open. No call waits for the network. */
export interface AgentSession {
  readonly connected: boolean;
  /** The latest report of a task wins. All are sent again when a new session begins. */
  report(report: TaskReport): void;
  event(event: TaskEvent): void;
  /** The description may have changed: does not wait for the next heartbeat. */
  describeAgain(): void;
  openStream(id: string): Promise<AgentStream>;
  /** Ends the session; containers run on. */
  close(): void;
}

const missedHeartbeats = 3;
const firstHeartbeatMs = 3_000;
/** A session that lasted this long was a good one: the next failure is the first. */
const stableMs = 10_000;
const replacedCode = 4001;

export function connectSession(options: SessionOptions): AgentSession {
  if (options.endpoints.length === 0) throw new Error('an agent needs at least one server address');
  const session = new Session(options);
  void session.run();
  return session;
}

class Session implements AgentSession {
  readonly #options: SessionOptions;
  readonly #outbox: Outbox;
  readonly #stop = new AbortController();
  #endpoint = 0;
  #socket: WebSocket | undefined;
  #connected = false;
  #describing = false;
  #described: string | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#outbox = new Outbox(options.clock);
  }

  get connected(): boolean {
    return this.#connected;
  }

  report(report: TaskReport): void {
    this.#outbox.report(report);
  }

  event(event: TaskEvent): void {
    this.#outbox.event(event);
  }

  describeAgain(): void {
    const socket = this.#socket;
    if (socket !== undefined) void this.#describe(socket);
  }

  async openStream(id: string): Promise<AgentStream> {
    const tls = await this.#options.tls();
    const path = `/session/v1/streams/${encodeURIComponent(id)}`;
    return agentStream(await dial(this.#url(), path, tls, this.#stop.signal, holdFrames));
  }

  close(): void {
    this.#stop.abort(new Error('the agent ends its session'));
    this.#socket?.close(1000, 'The agent stopped');
  }

  /** Session after session, until closed. */
  async run(): Promise<void> {
    const { clock, logger, random = Math.random } = this.#options;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted;) {
      const began = clock.now();
      let reason: string;
      let floorMs = 0;
      try {
        const end = await this.#once();
        reason = end.reason;
        if (end.code === replacedCode) floorMs = stableMs / 2;
      } catch (error) {
        reason = messageOf(error);
        this.#endpoint += 1;
      }
      if (signal.aborted) return;
      failures = clock.now() - began > stableMs ? 1 : failures + 1;
      const ms = Math.max(floorMs, backoffMs(failures, { baseMs: 100, maxMs: 5_000, random }));
      logger.warn({ server: this.#url(), reason, retryMs: Math.round(ms) }, 'No session with the server');
      await sleep(clock, ms, signal).catch(() => undefined);
    }
  }

  #url(): string {
    const { endpoints } = this.#options;
    return endpoints[this.#endpoint % endpoints.length] ?? '';
  }

  /** One session; resolves when it is over. Throws when it could not begin. */
  async #once(): Promise<{ readonly code: number; readonly reason: string }> {
    const { tls, describe, labels, clock } = this.#options;
    const [identity, node] = await Promise.all([tls(), describe()]);
    this.#described = JSON.stringify(node);
    const assignments = new Assignments();
    let lastHeard = clock.now();
    let heartbeatMs = firstHeartbeatMs;
    let server = '';
    const end = new Promise<{ code: number; reason: string }>((resolve) => {
      this.#closed = resolve;
    });
    const socket = await dial(this.#url(), '/session/v1', identity, this.#stop.signal, (dialled) => {
      dialled.once('close', (code, reason) =>
        this.#closed({ code, reason: reason.toString() || `the connection ended (${String(code)})` }),
      );
      dialled.on('pong', () => (lastHeard = clock.now()));
      dialled.on('message', (data: Buffer) => {
        lastHeard = clock.now();
        try {
          const frame = JSON.parse(data.toString('utf8')) as ToAgent;
          if (frame.type === 'welcome') ({ heartbeatMs, server } = frame);
          else this.#handle(dialled, frame, assignments, server);
        } catch (error) {
          this.#options.logger.error(
            { error: messageOf(error) },
            'A frame of the server could not be handled',
          );
          dialled.close(4003, 'A frame could not be handled');
        }
      });
    });
    this.#socket = socket;
    this.#send(socket, { type: 'register', node, ...(labels === undefined ? {} : { labels }) });
    let cancel = (): void => undefined;
    const beat = (): void => {
      if (clock.now() - lastHeard > missedHeartbeats * heartbeatMs) return socket.terminate();
      socket.ping();
      this.#send(socket, { type: 'heartbeat' });
      void this.#describe(socket);
      cancel = clock.after(heartbeatMs, beat);
    };
    cancel = clock.after(Math.min(heartbeatMs, firstHeartbeatMs), beat);
    const ended = await end;
    cancel();
    this.#socket = undefined;
    this.#outbox.close();
    if (this.#connected) this.#options.onDisconnect?.(ended.reason);
    this.#connected = false;
    return ended;
  }

  #closed: (end: { code: number; reason: string }) => void = () => undefined;

  #handle(
    socket: WebSocket,
    frame: Exclude<ToAgent, { type: 'welcome' }>,
    assignments: Assignments,
    server: string,
  ): void {
    const { logger, onStream, onAssignments, onConnect } = this.#options;
    switch (frame.type) {
      case 'stream':
        return onStream.call(this.#options, frame.id, frame.taskUID, frame.request);
      case 'assignments': {
        if (!assignments.apply(frame)) {
          logger.warn({ seq: frame.seq }, 'An assignments frame is missing: dialling again for a full set');
          return socket.close(4000, 'A frame is missing');
        }
        const set = assignments.current;
        if (set === undefined) return;
        this.#outbox.keep(new Set(set.tasks.map(({ metadata }) => metadata.uid ?? '')));
        onAssignments.call(this.#options, set);
        if (this.#connected) return;
        this.#connected = true;
        this.#outbox.open((report) => this.#send(socket, report));
        logger.info({ server, tasks: set.tasks.length }, 'Session with the server began');
        onConnect?.call(this.#options, server);
      }
    }
  }

  /** Sends the description when it is another than the last one sent. */
  async #describe(socket: WebSocket): Promise<void> {
    if (this.#describing) return;
    this.#describing = true;
    try {
      const node = await this.#options.describe();
      const json = JSON.stringify(node);
      if (json === this.#described || socket !== this.#socket) return;
      this.#described = json;
      this.#send(socket, { type: 'heartbeat', node });
    } catch (error) {
      this.#options.logger.warn({ error: messageOf(error) }, 'The node could not be described');
    } finally {
      this.#describing = false;
    }
  }

  #send(socket: WebSocket, frame: ToServer): void {
    if (socket.readyState === socket.OPEN) socket.send(JSON.stringify(frame));
  }
}
