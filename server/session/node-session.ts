import { WebSocket } from 'ws';
import {
  sessionClose,
  type Certificates,
  type NodeStatus,
  type StreamRequest,
  type ToAgent,
  type ToServer,
} from '../../api-schemas/index.ts';
import { backoffMs } from '../../kit/backoff.ts';
import { sleep, timestamp } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { Feed } from './feed.ts';
import { replaceSession, writeNode, type SessionState } from './node-record.ts';
import { parseFrame } from './parse.ts';
import { dialable } from './peers.ts';
import { Reports } from './reports.ts';
import { certificatesToTell, type GatewayOptions } from './types.ts';
import { verdictOf } from './verdict.ts';

/** Why a session ended. `code` is the WebSocket's close code. */
export interface SessionEnd {
  readonly code: number;
  /** UpperCamel: `SessionClosed`, `Moved`, `HeartbeatLost`, `Replaced`, `NodeRemoved`, `BadFrame`, `ServerStopping`. */
  readonly reason: string;
  readonly message: string;
}

interface Options extends GatewayOptions {
  readonly socket: WebSocket;
  readonly node: string;
  readonly id: string;
  readonly log: Logger;
  readonly heartbeatMs: number;
  /** When the node's second thread was last heard; undefined when it is not there. */
  readonly lastAlive: () => number | undefined;
  readonly onRegister: (session: NodeSession) => void;
  /** It is sent what its node is to run from now on. */
  readonly onCurrent: (session: NodeSession) => void;
  readonly onEnd: (session: NodeSession, end: SessionEnd) => void;
}

const registerWithinMs = 10_000;
/** How long a server that an agent went to has to say so in the Node object. */
const movedWithinMs = 3_000;
/** How long an agent that has another session has to end this one by itself. */
const supersededMs = 1_000;
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
  /** Its agent says what it has loaded. */
  #saysLoaded = false;
  #early: Extract<ToServer, { type: 'report' }>[] = [];
  #described: NodeStatus = {};
  #labels: Readonly<Record<string, string>> = {};
  /** Since when its agent is slow. */
  #slowSince: string | undefined;
  #superseded = false;
  #writing = false;
  /** Counts what is to be written; `#written` follows it. */
  #version = 0;
  #written = 0;
  /** What is to be written holds also when the Node object names another session, or none. */
  #isFirst = false;
  #end: SessionEnd | undefined;
  /** What the agent was last told of certificates. */
  #certificates = '';

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
        reason: code === sessionClose.moved ? 'Moved' : 'SessionClosed',
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

  /** It is the node's session for all that is known, and its agent answers. */
  get usable(): boolean {
    return this.open && !this.#superseded && this.#slowSince === undefined;
  }

  /** Another session is the node's by now. */
  get superseded(): boolean {
    return this.#superseded;
  }

  /**
   * Called now and then: says that a silent agent is slow while its machine gives signs of life, ends its session
   * when there are none either, or when it never registered. `excusedMs`: time in which nothing could be heard.
   */
  check(nowMs: number, excusedMs: number): void {
    const { heartbeatMs, lastAlive } = this.#options;
    this.#lastHeard = Math.min(nowMs, this.#lastHeard + excusedMs);
    if (!this.#registered) {
      if (nowMs - this.#lastHeard >= registerWithinMs) this.#giveUp(nowMs);
      return;
    }
    switch (verdictOf({ nowMs, heardMs: this.#lastHeard, aliveMs: lastAlive(), heartbeatMs })) {
      case 'live':
        return;
      case 'slow':
        if (this.#slowSince !== undefined) return;
        this.#slowSince = new Date(nowMs).toISOString();
        this.#options.log.warn({ object: `Node/${this.node}` }, 'The agent is slow, its machine lives');
        return this.#change();
      case 'dead':
        return this.#giveUp(nowMs);
    }
  }

  /** The Node object has changed: it may name another session, or none, though this one is open. */
  recordChanged(now: NodeStatus['session'], before: NodeStatus['session']): void {
    if (!this.open || before?.id !== this.id || now?.id === this.id || this.#superseded) return;
    if ((now?.server ?? '') === '') return this.#change(true);
    this.#superseded = true;
    const code = sessionClose.replaced;
    const message = 'Another session of this node took its place';
    this.#options.clock.after(supersededMs, () => this.end({ code, reason: 'Replaced', message }));
  }

  send(frame: ToAgent): void {
    this.#sendText(JSON.stringify(frame));
  }

  /** Tells the agent what to follow, unless it knows. */
  tellCertificates(certificates: Certificates | undefined): void {
    if (this.#isNews(certificates)) this.send({ type: 'certificates', certificates });
  }

  #isNews(certificates: Certificates | undefined): certificates is Certificates {
    const text = JSON.stringify(certificates) ?? '';
    if (text === '' || text === this.#certificates) return false;
    this.#certificates = text;
    return true;
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

  /**
   * Whether the node has loaded all Endpoints as the cache has them now; answers when it has, or false when the session
   * ends before, or `signal` is aborted. Of an agent that does not say, being older, it is taken for granted.
   */
  allLoaded(signal: AbortSignal): Promise<boolean> {
    if (!this.#saysLoaded) return Promise.resolve(this.open);
    return this.feed.allLoaded(signal);
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
    if (this.#slowSince === undefined) return;
    this.#slowSince = undefined;
    this.#change();
  }

  #giveUp(nowMs: number): void {
    const seconds = Math.round((nowMs - this.#lastHeard) / 1000);
    const code = sessionClose.heartbeatLost;
    this.end({ code, reason: 'HeartbeatLost', message: `The agent was not heard for ${String(seconds)}s` });
    this.#options.socket.terminate();
  }

  #receive(data: Buffer): void {
    this.#heard();
    if (!this.open) return;
    try {
      this.#handle(parseFrame(data));
    } catch (error) {
      this.#options.log.warn({ node: this.node, error: messageOf(error) }, 'Session closed: bad frame');
      this.end({ code: sessionClose.badFrame, reason: 'BadFrame', message: messageOf(error) });
    }
  }

  #handle(frame: ToServer): void {
    if (!this.#registered && frame.type !== 'register') throw new Error('the first frame must be `register`');
    switch (frame.type) {
      case 'register':
        this.#described = frame.node;
        this.#labels = frame.labels ?? {};
        this.#saysLoaded = frame.leaving === true;
        if (!this.#registered) this.#begin();
        return this.#change(true);
      case 'heartbeat':
        if (frame.node === undefined) return;
        this.#described = frame.node;
        return this.#change();
      case 'loaded':
        return this.feed.loaded(frame.seq);
      case 'report':
        if (this.#current) this.reports.submit(frame.tasks, frame.events ?? []);
        else this.#early.push(frame);
        return;
    }
  }

  #begin(): void {
    this.#registered = true;
    this.#options.onRegister(this);
    const { serverName: server, heartbeatMs, servers } = this.#options;
    const certificates = certificatesToTell(this.#options);
    this.send({
      type: 'welcome',
      leaving: true,
      ...{ server, heartbeatMs, servers: dialable(servers?.() ?? []) },
      ...(this.#isNews(certificates) ? { certificates } : {}),
    });
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
    this.#options.onCurrent(this);
    for (const { tasks, events } of this.#early) this.reports.submit(tasks, events ?? []);
    this.#early = [];
  }

  /** There is something to write; `isFirst`: also when the object names another session, or none. */
  #change(isFirst = false): void {
    this.#version += 1;
    this.#isFirst ||= isFirst;
    void this.#writeNode();
  }

  /** One write at a time, until the object says what is so of the node and of this session. */
  async #writeNode(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    const { registry } = this.#options;
    const isOpen = (): boolean => this.open && !this.#superseded;
    while (isOpen() && this.#written !== this.#version) {
      const version = this.#version;
      const isFirst = this.#isFirst;
      this.#isFirst = false;
      await this.#retry('write', () =>
        writeNode(registry, this.node, this.#described, this.#labels, this.#state(), { isFirst, isOpen }),
      );
      this.#written = version;
    }
    this.#writing = false;
    // The end may have been written while a write was under way, which then undid it.
    if (!this.open && this.#end !== undefined) await this.#clear(this.#end);
  }

  #state(): SessionState {
    const base = { server: this.#options.serverName, id: this.id };
    return this.#slowSince === undefined
      ? { ...base, since: this.#since }
      : { ...base, since: this.#slowSince, slow: true };
  }

  #ended(end: SessionEnd): void {
    if (!this.open) return;
    this.#end = end;
    this.#stop.abort();
    this.feed.close();
    this.#options.onEnd(this, end);
    if (!this.#writing) void this.#clear(end);
  }

  async #clear(end: SessionEnd): Promise<void> {
    const { registry, clock, log, lastAlive } = this.#options;
    if (!this.#registered || end.reason === 'ServerStopping' || end.reason === 'Replaced') return;
    const lastSeen = new Date(Math.max(this.#lastHeard, lastAlive() ?? 0)).toISOString();
    const ended: SessionState = { server: '', id: '', since: timestamp(clock), lastSeen };
    if (end.reason === 'Moved') await sleep(clock, movedWithinMs);
    for (let failures = 1; failures < 8; failures++) {
      try {
        if (await replaceSession(registry, this.node, this.id, ended)) this.#tell(end);
        return;
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
