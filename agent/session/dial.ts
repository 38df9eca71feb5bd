import { WebSocket } from 'ws';
import { expiredText, untrusted, untrustedText, type TlsIdentity } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';

const defaultHandshakeMs = 10_000;

const own = new WeakMap<WebSocket, string>();

/** This end's address of a connection that `dial` has opened; empty when it is not known. */
export const localAddressOf = (socket: WebSocket): string =>
  (own.get(socket) ?? '').replace(/^::ffff:(?=\d+\.)/, '');

export interface DialOptions {
  readonly tls: TlsIdentity;
  /** Gives a dial up; a socket that is open is no longer its affair. */
  readonly signal: AbortSignal;
  /** From the first packet to the answer: a server that is cut off does not refuse. Default 10 s. */
  readonly handshakeMs?: number;
  /** Runs before anything can arrive. */
  readonly prepare?: (socket: WebSocket) => void;
}

/** A mutual-TLS WebSocket to `path` of a server. Throws when the server is not reached, not trusted, or refuses. */
export function dial(
  endpoint: string,
  path: string,
  { tls, signal, handshakeMs = defaultHandshakeMs, prepare }: DialOptions,
): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    const socket = new WebSocket(`${endpoint.replace(/^http/, 'ws')}${path}`, {
      ...tls,
      minVersion: 'TLSv1.3',
      handshakeTimeout: handshakeMs,
      perMessageDeflate: false,
      maxPayload: 256 << 20,
    });
    prepare?.(socket);
    socket.once('upgrade', ({ socket: { localAddress = '' } }) => own.set(socket, localAddress));
    const onAbort = (): void => {
      reject(signal.reason as Error);
      socket.terminate();
    };
    signal.addEventListener('abort', onAbort, { once: true });
    const settled = (): void => signal.removeEventListener('abort', onAbort);
    socket.once('close', settled);
    socket.once('open', () => {
      settled();
      resolve(socket);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      const isUntrusted = untrusted.has(error.code ?? '');
      reject(
        new Error(isUntrusted ? untrustedText(endpoint) : `cannot reach ${endpoint}: ${messageOf(error)}`),
      );
    });
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (part: Buffer) => (body += part.toString('utf8')));
      response.on('close', () => {
        reject(refusalOf(endpoint, response.statusCode ?? 0, body, tls, Date.now()));
        socket.terminate();
      });
    });
  });
}

/** Why the server refused, out of the `Status` it answered with; and what to do when the certificate has run out. */
export function refusalOf(
  endpoint: string,
  code: number,
  body: string,
  { cert }: TlsIdentity,
  nowMs: number,
): Error {
  const expired = code === 401 && cert !== undefined ? expiredText(cert, [endpoint], nowMs) : undefined;
  if (expired !== undefined) return new Error(expired);
  let message = body.slice(0, 300);
  try {
    message = String((JSON.parse(body) as { message?: unknown }).message ?? message);
  } catch {
    // Not a Status; the text says it.
  }
  return new Error(`${endpoint} answered ${String(code)}: ${message}`);
}
