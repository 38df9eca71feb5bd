import { randomBytes } from 'node:crypto';
import type { WebSocket } from 'ws';
import { timestamp, type Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { Registry } from '../../store/types.ts';
import { replaceSession, type SessionState } from './node-record.ts';
import { isServerAlive } from './peers.ts';
import { missedHeartbeats } from './verdict.ts';

export interface SignsOptions {
  readonly registry: Registry;
  readonly serverName: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatMs: number;
  readonly hasSession: (node: string) => boolean;
}

interface Entry {
  readonly id: string;
  readonly socket: WebSocket;
  /** When it began, or its session here ended. */
  aloneSinceMs: number;
  atMs: number;
  /** The Node object says that this server has the node, as a slow one. */
  isTaken: boolean;
}

/**
 * The connections on which second threads say that their process lives. A node whose agent is too slow to come back
 * with a session when its server went away is spoken for by the server that hears its signs of life.
 */
export class SignsOfLife {
  readonly #options: SignsOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: SignsOptions) {
    this.#options = options;
  }

  accept(node: string, socket: WebSocket): void {
    const { clock } = this.#options;
    this.drop(node);
    const nowMs = clock.now();
    const id = `alive-${randomBytes(8).toString('hex')}`;
    const entry: Entry = { id, socket, aloneSinceMs: nowMs, atMs: nowMs, isTaken: false };
    this.#entries.set(node, entry);
    socket.on('ping', () => (entry.atMs = clock.now()));
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (this.#entries.get(node) !== entry) return;
      this.#entries.delete(node);
      if (entry.isTaken) void this.#release(node, entry);
    });
  }

  has(node: string): boolean {
    return this.#entries.has(node);
  }

  /** When the node last gave a sign of life here; undefined when it gives none. */
  lastOf(node: string): number | undefined {
    return this.#entries.get(node)?.atMs;
  }

  drop(node: string): void {
    this.#entries.get(node)?.socket.terminate();
  }

  closeAll(): void {
    for (const { socket } of this.#entries.values()) socket.terminate();
  }

  /** Called now and then. `excusedMs`: time in which nothing could be heard. */
  check(nowMs: number, excusedMs: number): void {
    const limitMs = missedHeartbeats * this.#options.heartbeatMs;
    for (const [node, entry] of this.#entries) {
      entry.atMs = Math.min(nowMs, entry.atMs + excusedMs);
      if (nowMs - entry.atMs >= limitMs) entry.socket.terminate();
      else if (this.#options.hasSession(node)) Object.assign(entry, { aloneSinceMs: nowMs, isTaken: false });
      else if (!entry.isTaken && nowMs - entry.aloneSinceMs >= limitMs) this.#take(node, entry);
    }
  }

  /** Speaks for the node if nobody else does. */
  #take(node: string, entry: Entry): void {
    const { registry, serverName, clock } = this.#options;
    const held = registry.cache.get('Node', '', node)?.status?.session;
    const server = held?.server ?? '';
    if (server !== '' && server !== serverName && isServerAlive(registry.cache, server)) return;
    entry.isTaken = true;
    const state: SessionState = { server: serverName, id: entry.id, since: timestamp(clock), slow: true };
    replaceSession(registry, node, held?.id ?? '', state).catch((error: unknown) => {
      entry.isTaken = false;
      this.#warn(node, error);
    });
  }

  async #release(node: string, { id, atMs }: Entry): Promise<void> {
    const { registry, clock } = this.#options;
    const lastSeen = new Date(atMs).toISOString();
    await replaceSession(registry, node, id, { server: '', id: '', since: timestamp(clock), lastSeen }).catch(
      (error: unknown) => this.#warn(node, error),
    );
  }

  #warn(node: string, error: unknown): void {
    this.#options.logger.warn(
      { object: `Node/${node}`, error: messageOf(error) },
      'That a node without a session lives is not written yet',
    );
  }
}
