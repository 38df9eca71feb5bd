import { WebSocket } from 'ws';
import type { NodeStatus, StreamRequest, ToAgent, ToServer } from '../../api-schemas/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import { sleep, timestamp } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { Feed } from './feed.ts';
import { clearSession, writeNode, type SessionState } from './node-record.ts';
import { parseFrame } from './parse.ts';
import { Reports } from './reports.ts';
import type { GatewayOptions } from './types.ts';

/** Why a session ended. `code` is the WebSocket's close code. */
export interface SessionEnd {
  readonly code: number;
  /** UpperCamel: `SessionClosed`, `HeartbeatLost`, `Replaced`, `NodeRemoved`, `BadFrame`, `ServerStopping`. */
  readonly reason: string;
  readonly message: string;
}

interface Options extends GatewayOptions {
  readonly socket: WebSocket;
  readonly node: string;
  readonly id: string;
  readonly log: Logger;
  readonly heartbeatMs: number;
  readonly onRegister: (session: NodeSession) => void;
  readonly onEnd: (session: NodeSession, end: SessionEnd) => void;
}

const registerWithinMs = 10_000;
const missedHeartbeats = 3;
/** Bytes waiting for a slow agent before changes are held back (as names only). */
const highWater = 1 << 20;

/** One node's session, from its first frame to its end. */
export class NodeSession {
  readonly node: string;
  readonly id: string;
  readonly feed: Feed;
  readonly reports: Reports;
  /** When a frame was last sent down, in milliseconds since the epoch. */
  flushedAt = 0;
  readonly #options: Options;
  readonly #since: string;
  readonly #stop = new AbortController();
  #lastHeard: number;
  #registered = false;
  /** The cache is known to hold all that was committed before the session began. */
  #current = false;
  #early: Extract<ToServer, { type: 'report' }>[] = [];
  #described: NodeStatus = {};
  #labels: Readonly<Record<string, string>> = {};
  #writing = false;
  #written: NodeStatus | undefined;
  #end: SessionEnd | undefined;

  constructor(options: Options) {
    const { socket, registry, node, clock, log, recordEvent } = options;
    this.#options = options;
    this.node = node;
    this.id = options.id;
    this.#since = timestamp(clock);
    this.#lastHeard = clock.now();
    this.feed = new Feed(node, registry.cache);
    this.reports = new Reports({ registry, node, clock, log, recordEvent, signal: this.#stop.signal });
    socket.on('message', (data: Buffer) => this.#receive(data));
    socket.on('ping', () => this.#heard());
    socket.on('error', (error) => log.debug({ node, error: messageOf(error) }, 'Session socket failed'));
    socket.once('close', (code, reason) =>
      this.#ended({
        code,
        reason: 'SessionClosed',
        message: reason.toString() || 'The connection to the agent ended',
      }),
    );
  }

  get open(): boolean {
    return !this.#stop.signal.aborted;
  }

  /** Aborted when the session ends. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Called now and then: ends a session that was silent for three heartbeats, or never registered. */
  check(now: number): void {
    const { heartbeatMs } = this.#options;
    const limit = this.#registered ? missedHeartbeats * heartbeatMs : registerWithinMs;
    if (now - this.#lastHeard < limit) return;
    this.end({
      code: 4002,
      reason: 'HeartbeatLost',
      message: `The agent was not heard for ${String(Math.round((now - this.#lastHeard) / 1000))}s`,
    });
    this.#options.socket.terminate();
  }

  send(frame: ToAgent): void {
    this.#sendText(JSON.stringify(frame));
  }

  requestStream(id: string, taskUID: string, request: StreamRequest): void {
    this.send({ type: 'stream', id, taskUID, request });
  }

  /** Sends what the node must know, unless it is slow to read: then as soon as it has caught up. */
  flush(): void {
    const { socket, clock } = this.#options;
    while (this.open && this.#current && this.feed.dirty && socket.bufferedAmount < highWater) {
      const frame = this.feed.next();
      if (frame === undefined) return;
      this.flushedAt = clock.now();
      this.#sendText(frame);
    }
  }

  end(end: SessionEnd): void {
    this.#options.socket.close(end.code, end.message.slice(0, 100));
    this.#ended(end);
  }

  #sendText(text: string): void {
    const { socket } = this.#options;
    if (!this.open || socket.readyState !== WebSocket.OPEN) return;
    socket.send(text, () => {
      if (this.feed.dirty && socket.bufferedAmount < highWater / 2) this.flush();
    });
  }

  #heard(): void {
    this.#lastHeard = this.#options.clock.now();
  }

  #receive(data: Buffer): void {
    this.#heard();
    if (!this.open) return;
    try {
      this.#handle(parseFrame(data));
    } catch (error) {
      this.#options.log.warn({ node: this.node, error: messageOf(error) }, 'Session closed: bad frame');
      this.end({ code: 4003, reason: 'BadFrame', message: messageOf(error) });
    }
  }

  #handle(frame: ToServer): void {
    if (!this.#registered && frame.type !== 'register') throw new Error('the first frame must be `register`');
    switch (frame.type) {
      case 'register':
        this.#described = frame.node;
        this.#labels = frame.labels ?? {};
        if (!this.#registered) this.#begin();
        void this.#writeNode();
        return;
      case 'heartbeat':
        if (frame.node === undefined) return;
        this.#described = frame.node;
        void this.#writeNode();
        return;
      case 'report':
        if (this.#current) this.reports.submit(frame.tasks, frame.events ?? []);
        else this.#early.push(frame);
        return;
    }
  }

  #begin(): void {
    this.#registered = true;
    this.#options.onRegister(this);
    this.send({ type: 'welcome', server: this.#options.serverName, heartbeatMs: this.#options.heartbeatMs });
    void this.#catchUp();
  }

  /**
   * A cache that is behind would have the agent remove containers of tasks it does not show yet, so nothing
   * is sent before it has caught up with the store.
   */
  async #catchUp(): Promise<void> {
    await this.#retry('read', () => this.#options.registry.cache.sync());
    if (!this.open) return;
    this.#current = true;
    this.flush();
    for (const { tasks, events } of this.#early) this.reports.submit(tasks, events ?? []);
    this.#early = [];
  }

  /** One write at a time, until the object says what the node last described. */
  async #writeNode(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    const { registry, serverName: server } = this.#options;
    const state: SessionState = { server, id: this.id, since: this.#since };
    while (this.open && this.#written !== this.#described) {
      const described = this.#described;
      await this.#retry('write', () =>
        writeNode(registry, this.node, described, this.#labels, state, () => this.open),
      );
      this.#written = described;
    }
    this.#writing = false;
    // The end may have been written while a write was under way, which then undid it.
    if (!this.open && this.#end !== undefined) await this.#clear(this.#end);
  }

  #ended(end: SessionEnd): void {
    if (!this.open) return;
    this.#end = end;
    this.#stop.abort();
    this.#options.onEnd(this, end);
    if (!this.#writing) void this.#clear(end);
  }

  async #clear(end: SessionEnd): Promise<void> {
    const { registry, clock, log } = this.#options;
    if (!this.#registered || end.reason === 'ServerStopping' || end.reason === 'Replaced') return;
    const ended: SessionState = { server: '', id: '', since: timestamp(clock) };
    for (let failures = 1; failures < 8; failures++) {
      try {
        await clearSession(registry, this.node, this.id, ended);
        return this.#tell(end);
      } catch (error) {
        log.warn(
          { object: `Node/${this.node}`, error: messageOf(error) },
          'The end of a session is not written yet',
        );
        await sleep(clock, backoffMs(failures, { baseMs: 200, maxMs: 10_000 }));
      }
    }
  }

  #tell({ reason, message }: SessionEnd): void {
    const { registry, recordEvent } = this.#options;
    const node = registry.cache.get('Node', '', this.node);
    if (node !== undefined) recordEvent(node, { type: 'Warning', reason, message });
  }

  async #retry(what: string, run: () => Promise<void>): Promise<void> {
    const { clock, log } = this.#options;
    for (let failures = 1; this.open; failures++) {
      try {
        await run();
        return;
      } catch (error) {
        log.warn(
          { object: `Node/${this.node}`, error: messageOf(error) },
          `Session waits for the store (${what})`,
        );
        const ms = backoffMs(failures, { baseMs: 100, maxMs: 5_000, random: Math.random });
        await sleep(clock, ms, this.signal).catch(() => undefined);
      }
    }
  }
}
