/** Sending answers. */
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ApiError, messageOf } from '../../kit/errors.ts';
import type { Reply } from '../types.ts';

export function send(res: ServerResponse, reply: Reply, warnings: readonly string[] = []): void {
  if (res.destroyed || res.writableEnded) return;
  if (reply.stream !== undefined) return void sendStream(res, reply.stream, reply);
  const { body } = reply;
  const bytes = Buffer.isBuffer(body) ? body : typeof body === 'string' ? body : JSON.stringify(body);
  res.writeHead(reply.code, {
    'Content-Type': reply.type ?? 'application/json',
    'Content-Length': Buffer.byteLength(bytes),
    'Cache-Control': 'no-cache, private',
    'X-Content-Type-Options': 'nosniff',
    ...warningHeaders(warnings),
    ...reply.headers,
  });
  res.end(res.req.method === 'HEAD' ? undefined : bytes);
}

/** The head goes out with the first piece: what fails before that is an error like any other. */
async function sendStream(
  res: ServerResponse,
  stream: AsyncIterable<Buffer>,
  { code, type, headers }: Reply,
): Promise<void> {
  const rest = stream[Symbol.asyncIterator]();
  let first: IteratorResult<Buffer>;
  try {
    first = await rest.next();
  } catch (error) {
    return sendError(res, error);
  }
  res.writeHead(code, {
    'Content-Type': type ?? 'application/octet-stream',
    'Cache-Control': 'no-store',
    ...headers,
  });
  const all = async function* (): AsyncGenerator<Buffer> {
    if (first.done !== true) yield first.value;
    yield* { [Symbol.asyncIterator]: () => rest };
  };
  // Destroys the connection when it breaks off.
  await pipeline(Readable.from(all()), res).catch(() => undefined);
}

/** `299 - "text"`, as RFC 7234 wants it: quoted, one line, ASCII, at most 256 characters. */
function warningHeader(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 256);
  return `299 - "${clean.replace(/[\\"]/g, (char) => `\\${char}`)}"`;
}

/** Headers that tell the client of `texts`. */
export const warningHeaders = (texts: readonly string[]): { readonly Warning?: string[] } =>
  texts.length === 0 ? {} : { Warning: texts.map(warningHeader) };

/** An error of the store, with why the store does not answer where that is known. */
export function explained(error: unknown, trouble: string | undefined): unknown {
  if (trouble === undefined || !(error instanceof ApiError) || ![503, 504].includes(error.code)) return error;
  const { code, message, reason, details } = error;
  return new ApiError(code, `${message}. ${trouble}`, {
    reason,
    cause: error,
    ...(details === undefined ? {} : { details }),
  });
}

/** Sends any error as a Status; what is not an ApiError is ours, 500, and its text stays in the log. */
export function sendError(res: ServerResponse, error: unknown): void {
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const api =
    error instanceof ApiError ? error : new ApiError(500, 'Internal error: see the log of the server');
  const retry = api.details?.retryAfterSeconds ?? (api.code === 429 ? 1 : undefined);
  // After a body that was refused half-read the connection cannot be used again.
  const broken = !res.req.complete;
  send(res, {
    code: api.code,
    body: api.toStatus(),
    headers: {
      ...(retry === undefined ? {} : { 'Retry-After': String(retry) }),
      ...(broken ? { Connection: 'close' } : {}),
    },
  });
}

/** 500 and above, and what is no ApiError, is worth a line in the log. */
export const internal = (error: unknown): string | undefined =>
  error instanceof ApiError && error.code < 500 ? undefined : messageOf(error);
