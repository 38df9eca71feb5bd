import { WebSocket } from 'ws';
import type { TlsIdentity } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';

const handshakeMs = 10_000;

/** Why the server refused, out of the `Status` it answered with. */
function refusalOf(code: number, body: string): Error {
  let message = body.slice(0, 300);
  try {
    message = String((JSON.parse(body) as { message?: unknown }).message ?? message);
  } catch {
    // Not a Status; the text says it.
  }
  return new Error(`the server answered ${String(code)}: ${message}`);
}

/**
 * A mutual-TLS WebSocket to `path` of a server. `prepare` runs before anything can arrive. Throws when the
 * server is not reached, not trusted, or refuses.
 */
export function dial(
  endpoint: string,
  path: string,
  tls: TlsIdentity,
  signal: AbortSignal,
  prepare: (socket: WebSocket) => void,
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
    prepare(socket);
    const onAbort = (): void => socket.terminate();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', onAbort));
    socket.once('open', () => resolve(socket));
    socket.on('error', (error) => reject(new Error(`cannot reach ${endpoint}: ${messageOf(error)}`)));
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.on('data', (part: Buffer) => (body += part.toString('utf8')));
      response.on('close', () => {
        reject(refusalOf(response.statusCode ?? 0, body));
        socket.terminate();
      });
    });
  });
}
