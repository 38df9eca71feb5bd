import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Node, Task } from '../../api-schemas/index.ts';
import { timestamp } from '../../kit/clock.ts';
import { ApiError, messageOf } from '../../kit/errors.ts';
import { Dispatcher } from './dispatcher.ts';
import { serveExec } from './exec.ts';
import { serveLog } from './log.ts';
import { clearSession } from './node-record.ts';
import { NodeSession, type SessionEnd } from './node-session.ts';
import { refuseUpgrade } from './refuse.ts';
import { Streams } from './streams.ts';
import {
  nodesGroup,
  nodeUserPrefix,
  sessionPath,
  streamsPath,
  type Caller,
  type Gateway,
  type GatewayOptions,
} from './types.ts';

const defaultHeartbeatMs = 3_000;
const checkMs = 1_000;
/** After a start, how long nodes that named this server have for dialling again. */
const returnWithinMs = 10_000;

function nodeOf({ name, groups }: Caller): string {
  if (!groups.includes(nodesGroup) || !name.startsWith(nodeUserPrefix))
    throw new ApiError(403, `user "${name}" is not a node: only nodes hold sessions`);
  return name.slice(nodeUserPrefix.length);
}

export function createGateway(options: GatewayOptions): Gateway {
  const { registry, serverName, clock, logger: log, heartbeatMs = defaultHeartbeatMs } = options;
  const sessions = new Map<string, NodeSession>();
  /** Also those that have not registered, or were replaced and are closing. */
  const sockets = new Set<NodeSession>();
  const accepting = { perMessageDeflate: false, noServer: true, clientTracking: false } as const;
  const sessionServer = new WebSocketServer({ ...accepting, maxPayload: 16 << 20 });
  const streamServer = new WebSocketServer({ ...accepting, maxPayload: 4 << 20 });
  const streams = new Streams(clock, (node) => sessions.get(node));
  const dispatcher = new Dispatcher(registry.cache, clock, (node) => sessions.get(node));
  let closed = false;

  const onRegister = (session: NodeSession): void => {
    const old = sessions.get(session.node);
    sessions.set(session.node, session);
    old?.end({ code: 4001, reason: 'Replaced', message: 'Another session of this node took its place' });
    log.info({ object: `Node/${session.node}`, session: session.id }, 'Node connected');
  };
  const onEnd = (session: NodeSession, end: SessionEnd): void => {
    sockets.delete(session);
    if (sessions.get(session.node) === session) sessions.delete(session.node);
    dispatcher.forget(session);
    log.info({ object: `Node/${session.node}`, session: session.id, reason: end.reason }, end.message);
  };
  const begin = (socket: WebSocket, node: string): void => {
    const id = randomBytes(8).toString('hex');
    sockets.add(new NodeSession({ ...options, socket, node, id, log, heartbeatMs, onRegister, onEnd }));
  };

  let cancelCheck = (): void => undefined;
  const check = (): void => {
    const now = clock.now();
    for (const session of sockets) session.check(now);
    cancelCheck = clock.after(checkMs, check);
  };
  check();

  const clearAbandoned = async (node: Node): Promise<void> => {
    const { server, id } = node.status?.session ?? {};
    const { name } = node.metadata;
    if (server !== serverName || id === undefined || sessions.has(name)) return;
    await clearSession(registry, name, id, { server: '', id: '', since: timestamp(clock) });
    log.warn({ object: `Node/${name}` }, 'The node has not come back since this server started');
  };
  const cancelAbandoned = clock.after(returnWithinMs, () => {
    for (const node of registry.cache.list('Node'))
      clearAbandoned(node).catch((error: unknown) =>
        log.warn(
          { object: `Node/${node.metadata.name}`, error: messageOf(error) },
          'Could not clear its session',
        ),
      );
  });

  function route(request: IncomingMessage, socket: Duplex, head: Buffer, caller: Caller): void {
    if (closed) throw new ApiError(503, 'the server is stopping');
    const path = (request.url ?? '').split('?', 1)[0] ?? '';
    const node = nodeOf(caller);
    const refusal = options.refusalOf?.(node, caller.keyDigest);
    if (refusal !== undefined) throw new ApiError(403, refusal);
    if (path === sessionPath)
      return sessionServer.handleUpgrade(request, socket, head, (accepted) => begin(accepted, node));
    const id = path.startsWith(streamsPath) ? path.slice(streamsPath.length) : '';
    if (!streams.expects(id, node)) throw new ApiError(404, 'the server does not expect this stream');
    streamServer.handleUpgrade(request, socket, head, (accepted) => streams.accept(id, node, accepted));
  }

  return {
    handleUpgrade(request, socket, head, caller) {
      socket.on('error', (error) => log.debug({ error: messageOf(error) }, 'Upgrade socket failed'));
      try {
        route(request, socket, head, caller);
      } catch (error) {
        refuseUpgrade(socket, error instanceof ApiError ? error : new ApiError(500, messageOf(error)));
      }
    },
    openStream: (task: Task, request, signal) => streams.open(task, request, signal),
    handleLog: (request, response, task) => serveLog(streams, request, response, task, clock),
    handleExec: (request, socket, head, task) =>
      serveExec(streams, streamServer, request, socket, head, task),
    connected: () => [...sessions.keys()],
    close() {
      closed = true;
      cancelCheck();
      cancelAbandoned();
      dispatcher.close();
      streams.closeAll();
      for (const session of sockets)
        session.end({ code: 1001, reason: 'ServerStopping', message: 'The server is stopping' });
      return Promise.resolve();
    },
  };
}
