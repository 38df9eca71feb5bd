import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import { leaveWithinMs, sessionClose, type Task, type ToAgent } from '../../api-schemas/index.ts';
import { ApiError, messageOf } from '../../kit/errors.ts';
import { clearAbandoned } from './abandoned.ts';
import { createAsker, parseQuestion } from './ask-loaded.ts';
import { Departures } from './departures.ts';
import { Dispatcher } from './dispatcher.ts';
import { NodeSession, type SessionEnd } from './node-session.ts';
import { letGo } from './let-go.ts';
import { loadedEverywhere, loadedHere, type LoadedQuestion } from './loaded.ts';
import { dialable, liveServers, urlOfServer } from './peers.ts';
import { refuseUpgrade } from './refuse.ts';
import { SignsOfLife } from './signs-of-life.ts';
import { keepSpread } from './spread.ts';
import { Streams } from './streams.ts';
import { taskStreams } from './task-streams.ts';
import {
  alivePath,
  certificatesToTell,
  nodesGroup,
  nodeUserPrefix,
  sessionPath,
  streamsPath,
  type Caller,
  type Gateway,
  type GatewayOptions,
} from './types.ts';
import { watchTime } from './watch-time.ts';

const defaultHeartbeatMs = 1_000;

function nodeOf({ name, groups }: Caller): string {
  if (!groups.includes(nodesGroup) || !name.startsWith(nodeUserPrefix))
    throw new ApiError(403, `user "${name}" is not a node: only nodes hold sessions`);
  return name.slice(nodeUserPrefix.length);
}

export function createGateway(options: GatewayOptions): Gateway {
  const { registry, serverName, clock, logger: log, heartbeatMs = defaultHeartbeatMs } = options;
  const { cache } = registry;
  const sessions = new Map<string, NodeSession>();
  /** Also those that have not registered, or were replaced and are closing. */
  const sockets = new Set<NodeSession>();
  const accepting = { perMessageDeflate: false, noServer: true, clientTracking: false } as const;
  const sessionServer = new WebSocketServer({ ...accepting, maxPayload: 16 << 20 });
  const streamServer = new WebSocketServer({ ...accepting, maxPayload: 4 << 20 });
  const aliveServer = new WebSocketServer({ ...accepting, maxPayload: 1 << 10 });
  let isClosed = false;
  let onLeft = (): void => undefined;

  const recordedServer = (node: string): string => cache.get('Node', '', node)?.status?.session?.server ?? '';
  const held = (node: string): NodeSession | undefined => {
    const session = sessions.get(node);
    return session?.superseded === true ? undefined : session;
  };
  const signs = new SignsOfLife({
    ...{ registry, serverName, clock, logger: log, heartbeatMs },
    hasSession: (node) => held(node) !== undefined,
  });
  const streams = new Streams(clock, held, recordedServer);

  let told = '';
  const tellServers = (): void => {
    const servers = dialable(options.servers?.() ?? []);
    if (servers.join() === told) return;
    told = servers.join();
    for (const session of sessions.values()) session.send({ type: 'servers', servers });
  };
  let hadQuorum = true;
  const tellQuorum = (): void => {
    const ok = options.hasQuorum?.() ?? true;
    if (ok === hadQuorum) return;
    hadQuorum = ok;
    log.warn(
      { ok },
      ok ? 'The store can be written again' : 'No quorum: agents are told to act by themselves',
    );
    for (const session of sessions.values()) session.send({ type: 'quorum', ok });
  };
  const tellCertificates = (): void => {
    const now = certificatesToTell(options);
    for (const session of sessions.values()) session.tellCertificates(now);
  };
  const dispatcher = new Dispatcher(cache, clock, (node) => sessions.get(node), tellServers);

  const asker = options.peerTls && createAsker(options.peerTls);
  const ask = (server: string, ...more: [LoadedQuestion, AbortSignal]): Promise<readonly string[]> => {
    const url = server === serverName ? undefined : urlOfServer(cache, server);
    if (asker === undefined || url === undefined) return Promise.resolve([]);
    return asker.ask(url, ...more);
  };
  // After the dispatcher, which is to know of a change first.
  const departures = new Departures({
    ...{ cache, clock, held },
    isLoaded: (question, signal) => loadedEverywhere({ cache, clock, held, ask }, question, signal),
  });

  const onRegister = (session: NodeSession): void => {
    const old = sessions.get(session.node);
    sessions.set(session.node, session);
    const message = 'Another session of this node took its place';
    old?.end({ code: sessionClose.replaced, reason: 'Replaced', message });
    if (!hadQuorum) session.send({ type: 'quorum', ok: false });
    log.info({ object: `Node/${session.node}`, session: session.id }, 'Node connected');
  };
  const onEnd = (session: NodeSession, end: SessionEnd): void => {
    sockets.delete(session);
    if (sessions.get(session.node) === session) sessions.delete(session.node);
    if (end.reason === 'NodeRemoved') signs.drop(session.node);
    dispatcher.forget(session);
    departures.forget(session);
    log.info({ object: `Node/${session.node}`, session: session.id, reason: end.reason }, end.message);
    onLeft();
  };
  const begin = (socket: WebSocket, node: string): void => {
    const id = randomBytes(8).toString('hex');
    const lastAlive = (): number | undefined => signs.lastOf(node);
    const onCurrent = (session: NodeSession): void => departures.look(session);
    const own = { socket, node, id, log, heartbeatMs, lastAlive, onRegister, onCurrent, onEnd };
    sockets.add(new NodeSession({ ...options, ...own }));
  };

  const checks = watchTime(clock, heartbeatMs / 2, (now, excusedMs) => {
    for (const session of sockets) session.check(now, excusedMs);
    signs.check(now, excusedMs);
    tellQuorum();
    tellCertificates();
  });
  const askAgent = (node: string, frame: Extract<ToAgent, { type: 'move' }>): void =>
    sessions.get(node)?.send(frame);
  const spread = keepSpread({
    ...{ cache, serverName, clock },
    // The agent beside this server stays.
    movable: () => [...sessions.values()].filter((one) => one.usable && one.node !== serverName).map(({ node }) => node), // prettier-ignore
    ask: (node, to) => askAgent(node, { type: 'move', reason: 'Rebalance', to }),
  });

  const abandoned = clearAbandoned({
    ...{ registry, serverName, clock, logger: log },
    isHeard: (node) => sessions.has(node) || signs.has(node),
  });

  function route(request: IncomingMessage, socket: Duplex, head: Buffer, caller: Caller): void {
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const node = nodeOf(caller);
    const refusal = options.refusalOf?.(node, caller.keyDigest);
    if (refusal !== undefined) throw new ApiError(403, refusal);
    const id = path.startsWith(streamsPath) ? path.slice(streamsPath.length) : '';
    if (id !== '') {
      if (!streams.expects(id, node)) throw new ApiError(404, 'the server does not expect this stream');
      return streamServer.handleUpgrade(request, socket, head, (accepted) =>
        streams.accept(id, node, accepted),
      );
    }
    if (isClosed) throw new ApiError(503, 'the server is stopping');
    switch (path) {
      case sessionPath:
        return sessionServer.handleUpgrade(request, socket, head, (accepted) => begin(accepted, node));
      case alivePath:
        return aliveServer.handleUpgrade(request, socket, head, (accepted) => signs.accept(node, accepted));
      default:
        throw new ApiError(404, 'the server could not find the requested resource');
    }
  }

  /** Has the agents begin sessions elsewhere while the ones here still serve them. */
  async function leave(): Promise<void> {
    if (!liveServers(cache).some((name) => name !== serverName)) return;
    const going = letGo({
      clock,
      staying: () => [...sessions.keys()],
      ask: (node) => askAgent(node, { type: 'move', reason: 'ServerStopping' }),
    });
    onLeft = () => going.left();
    await going.done;
    onLeft = () => undefined;
  }

  return {
    handleUpgrade(request, socket, head, caller, onRefused) {
      socket.on('error', (error) => log.debug({ error: messageOf(error) }, 'Upgrade socket failed'));
      try {
        route(request, socket, head, caller);
      } catch (error) {
        const told = error instanceof ApiError ? error : new ApiError(500, messageOf(error));
        onRefused?.(told);
        refuseUpgrade(socket, told);
      }
    },
    openStream: (task: Task, request, signal) => streams.open(task, request, signal),
    ...taskStreams({
      ...{ cache, clock, streams, serverName, webSockets: streamServer },
      hasSession: (node) => held(node) !== undefined,
      ...(options.peerTls === undefined ? {} : { peerTls: options.peerTls }),
    }),
    async handleLoaded(question) {
      const time = new AbortController();
      const cancel = clock.after(leaveWithinMs, () => time.abort());
      const nodes = await loadedHere({ cache, held }, parseQuestion(question), time.signal).finally(cancel);
      return { nodes };
    },
    connected: () => [...sessions.keys()],
    async close() {
      if (isClosed) return;
      isClosed = true;
      spread.close();
      abandoned.close();
      await leave();
      checks.close();
      dispatcher.close();
      departures.close();
      asker?.close();
      streams.closeAll();
      signs.closeAll();
      const message = 'The server is stopping';
      for (const session of sockets)
        session.end({ code: sessionClose.stopping, reason: 'ServerStopping', message });
    },
  };
}
