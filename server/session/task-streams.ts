/** Logs and exec of a task, and checks of a node's networks: served here where its node has its session, else asked of the server that has it. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { WebSocketServer } from 'ws';
import type { Clock } from '../../kit/clock.ts';
import { ApiError, messageOf } from '../../kit/errors.ts';
import type { Cache } from '../../store/types.ts';
import { isRelayed } from '../auth/identity.ts';
import { serveExec } from './exec.ts';
import { failLog, serveLog } from './log.ts';
import { serveNetCheck } from './net-check.ts';
import { urlOfServer } from './peers.ts';
import { refuseUpgrade } from './refuse.ts';
import { relayLog, relayUpgrade, type Holder } from './relay.ts';
import type { Streams } from './streams.ts';
import type { Gateway, GatewayOptions } from './types.ts';

export interface TaskStreamsOptions extends Pick<GatewayOptions, 'serverName' | 'peerTls'> {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly streams: Streams;
  readonly webSockets: WebSocketServer;
  readonly hasSession: (node: string) => boolean;
}

export function taskStreams(
  options: TaskStreamsOptions,
): Pick<Gateway, 'handleLog' | 'handleExec' | 'handleNetCheck'> {
  const { streams, webSockets, cache, clock, peerTls } = options;
  const relay = peerTls === undefined ? undefined : { tls: peerTls, clock };
  const answer = async (
    request: IncomingMessage,
    response: ServerResponse,
    node: string | undefined,
    here: () => Promise<void>,
  ): Promise<void> => {
    try {
      const holder = relay && holderOf(options, request, node);
      if (relay === undefined || holder === undefined) await here();
      else await relayLog(relay, holder, request, response);
    } catch (error) {
      failLog(response, error);
    }
  };
  return {
    handleLog: (request, response, task) =>
      answer(request, response, task.spec.nodeName, () => serveLog(streams, request, response, task, clock)),
    handleNetCheck: (request, response, { metadata: { name: node } }) =>
      answer(request, response, node, () =>
        serveNetCheck(streams, request, response, { node, cache, clock }),
      ),
    async handleExec(request, socket, head, task) {
      try {
        const holder = relay && holderOf(options, request, task.spec.nodeName);
        if (relay === undefined || holder === undefined)
          return await serveExec(streams, webSockets, request, socket, head, task);
        relayUpgrade(relay, holder, request, socket, head);
      } catch (error) {
        refuseUpgrade(socket, error instanceof ApiError ? error : new ApiError(500, messageOf(error)));
      }
    },
  };
}

/** The other server that is to be asked; undefined: this one answers, if only that it cannot. Throws 503. */
function holderOf(
  { cache, serverName, hasSession }: TaskStreamsOptions,
  request: IncomingMessage,
  node = '',
): Holder | undefined {
  // What was relayed to this server ends here, whatever the Node object says by now: nothing goes in circles.
  if (isRelayed(request) || hasSession(node)) return undefined;
  const server = cache.get('Node', '', node)?.status?.session?.server ?? '';
  if (server === '' || server === serverName) return undefined;
  const url = urlOfServer(cache, server);
  if (url !== undefined) return { node, server, url };
  throw new ApiError(
    503,
    `server ${server}, which holds the session of node ${node}, is none of the managers in Cluster/orc: its address is not known`,
  );
}
