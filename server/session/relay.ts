/** Streams of nodes whose session another server holds: that one is asked, in the name of the caller. */
import type { ClientRequest, IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline, type Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Clock } from '../../kit/clock.ts';
import { ApiError, messageOf } from '../../kit/errors.ts';
import { callerOf, headersFor } from '../auth/identity.ts';
import { failLog } from './log.ts';
import { refuseUpgrade } from './refuse.ts';
import type { GatewayOptions } from './types.ts';

/** The server that holds the session of a node. */
export interface Holder {
  readonly node: string;
  readonly server: string;
  /** `https://host:port` */
  readonly url: string;
}

export interface RelayOptions {
  readonly tls: NonNullable<GatewayOptions['peerTls']>;
  readonly clock: Clock;
}

const connectMs = 3_000;
/** What a caller may say to the other server; who it is, this server says. */
const passed = ['accept', 'user-agent'] as const;
const passedUpgrading = [
  ...passed,
  'connection',
  'upgrade',
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-protocol',
  'sec-websocket-extensions',
] as const;

/** `GET …/log` by way of the holder. What it answers is passed on as it comes; who leaves is left. Never throws. */
export function relayLog(
  options: RelayOptions,
  holder: Holder,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  return new Promise((resolve) => {
    response.once('close', resolve);
    try {
      const outgoing = ask(options, holder, incoming, passed, (error) => failLog(response, error));
      response.once('close', () => outgoing.destroy());
      outgoing.once('response', (answer) => {
        response.writeHead(answer.statusCode ?? 502, endToEnd(answer.headers));
        response.flushHeaders();
        // A break half-way breaks the caller's connection too, so that it is not taken for the end.
        pipeline(answer, response, (error) => {
          if (error) response.destroy();
        });
      });
      outgoing.end();
    } catch (error) {
      failLog(response, error);
    }
  });
}

/** The WebSocket `…/exec` by way of the holder: once it has agreed, bytes go to and fro as they are. Never throws. */
export function relayUpgrade(
  options: RelayOptions,
  holder: Holder,
  incoming: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): void {
  let isAnswered = false;
  const refuse = (error: unknown): void => {
    if (isAnswered || socket.destroyed) return void socket.destroy();
    refuseUpgrade(socket, known(error));
  };
  try {
    const outgoing = ask(options, holder, incoming, passedUpgrading, refuse);
    const onGone = (): void => void outgoing.destroy();
    socket.once('close', onGone);
    socket.on('error', onGone);
    outgoing.once('upgrade', (answer, far: Duplex, farHead) => {
      isAnswered = true;
      socket.write(headOf(answer));
      if (farHead.length > 0) socket.write(farHead);
      if (head.length > 0) far.write(head);
      pipeline(socket, far, socket, () => {
        far.destroy();
        socket.destroy();
      });
    });
    outgoing.once('response', (answer) => {
      isAnswered = true;
      socket.write(headOf(answer));
      pipeline(answer, socket, () => undefined);
    });
    outgoing.end();
  } catch (error) {
    refuse(error);
  }
}

/** Begins the same request at the holder. `fail` is told why when it gets no answer. */
function ask(
  { tls, clock }: RelayOptions,
  { node, server, url }: Holder,
  incoming: IncomingMessage,
  names: readonly string[],
  fail: (error: ApiError) => void,
): ClientRequest {
  const caller = callerOf(incoming);
  if (caller === undefined) throw new ApiError(401, 'Unauthorized');
  const headers = Object.fromEntries(
    names.flatMap((name) => {
      const value = incoming.headers[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
  const outgoing = httpsRequest(`${url}${incoming.url ?? '/'}`, {
    ...tls(),
    method: incoming.method ?? 'GET',
    minVersion: 'TLSv1.3',
    // A stream lasts: nothing is gained by sharing, and the certificate is always the present one.
    agent: false,
    headers: { ...headers, ...headersFor(caller) },
  });
  outgoing.once('socket', (socket) => {
    socket.setKeepAlive(true, 15_000);
    const cancel = clock.after(connectMs, () => outgoing.destroy(new Error('it does not answer')));
    (socket as TLSSocket).once('secureConnect', cancel);
    socket.once('close', cancel);
  });
  outgoing.on('error', (error) =>
    fail(
      new ApiError(
        503,
        `server ${server} (${url}), which holds the session of node ${node}, cannot be reached from here: ${messageOf(error)}`,
      ),
    ),
  );
  return outgoing;
}

const known = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(500, messageOf(error));

/** What is not about the one connection between the servers. */
function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const {
    connection: _connection,
    'keep-alive': _keepAlive,
    'transfer-encoding': _coding,
    ...rest
  } = headers;
  return rest;
}

/** The first line and the headers of an answer, as they came; one with a body ends with its connection. */
function headOf({ statusCode = 502, statusMessage = '', rawHeaders }: IncomingMessage): string {
  const lines = [`HTTP/1.1 ${String(statusCode)} ${statusMessage}`];
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (statusCode !== 101 && /^(connection|keep-alive|transfer-encoding)$/i.test(name)) continue;
    lines.push(`${name}: ${rawHeaders[i + 1] ?? ''}`);
  }
  if (statusCode !== 101) lines.push('Connection: close');
  return `${lines.join('\r\n')}\r\n\r\n`;
}
