import type { IncomingMessage, ServerResponse } from 'node:http';
import { channel, type StreamEnd, type StreamRequest, type Task } from '../../api-schemas/index.ts';
import { timestamp, type Clock } from '../../kit/clock.ts';
import { ApiError, messageOf } from '../../kit/errors.ts';
import type { FrameStream } from './frames.ts';
import type { Streams } from './streams.ts';

/** Headers go out after this long even without a line, so that a follower knows that it is connected. */
const headersAfterMs = 250;

function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  if (value === null) return false;
  if (value === '' || value === 'true' || value === '1') return true;
  if (value === 'false' || value === '0') return false;
  throw new ApiError(400, `query parameter ${name}: expected true or false, got "${value}"`);
}

function count(query: URLSearchParams, name: string): number | undefined {
  const value = query.get(name);
  if (value === null) return undefined;
  if (!/^\d{1,15}$/.test(value))
    throw new ApiError(400, `query parameter ${name}: expected a whole number, 0 or more, got "${value}"`);
  return Number(value);
}

/** Reads the query of Kubernetes' pods/log. Throws ApiError 400 for values that make no sense. */
export function parseLogQuery(
  query: URLSearchParams,
  clock: Clock,
): Extract<StreamRequest, { kind: 'logs' }> {
  if (flag(query, 'previous'))
    throw new ApiError(
      400,
      'query parameter previous: a task runs once; read the log of the slot’s earlier task',
    );
  const tail = count(query, 'tailLines');
  const seconds = count(query, 'sinceSeconds');
  const time = query.get('sinceTime');
  if (seconds !== undefined && time !== null)
    throw new ApiError(400, 'query parameters sinceSeconds and sinceTime exclude each other');
  if (time !== null && Number.isNaN(Date.parse(time)))
    throw new ApiError(400, `query parameter sinceTime: expected an RFC 3339 time, got "${time}"`);
  const since =
    time ??
    (seconds === undefined ? undefined : timestamp({ ...clock, now: () => clock.now() - seconds * 1_000 }));
  return {
    kind: 'logs',
    follow: flag(query, 'follow'),
    timestamps: flag(query, 'timestamps'),
    ...(tail === undefined ? {} : { tail }),
    ...(since === undefined ? {} : { since }),
  };
}

/** Answers with a `Status`, or breaks the connection of an answer that has begun. */
export function failLog(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  const known = error instanceof ApiError ? error : new ApiError(500, messageOf(error));
  response.writeHead(known.code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(known.toStatus()));
}

/** Streams the container's output as text. A break half-way breaks the connection, so that it is not taken for the end. */
export async function serveLog(
  streams: Streams,
  request: IncomingMessage,
  response: ServerResponse,
  task: Task,
  clock: Clock,
): Promise<void> {
  const { searchParams } = new URL(request.url ?? '/', 'https://orc');
  const open = (signal: AbortSignal): Promise<FrameStream> =>
    streams.open(task, parseLogQuery(searchParams, clock), signal);
  await serveStream(open, response, clock, 'text/plain; charset=utf-8');
}

/** Answers with what an agent says on a stream, for as long as the client is there; with a `Status` where it is not opened. */
export async function serveStream(
  open: (signal: AbortSignal) => Promise<FrameStream>,
  response: ServerResponse,
  clock: Clock,
  type: string,
): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort(new Error('the client went away')));
  try {
    const stream = await open(gone.signal);
    if (gone.signal.aborted) return stream.close();
    pump(stream, response, clock, type);
    gone.signal.addEventListener('abort', () => stream.close(), { once: true });
  } catch (error) {
    failLog(response, error);
  }
}

/** Sends on what an agent says on a stream. */
function pump(stream: FrameStream, response: ServerResponse, clock: Clock, type: string): void {
  let end: StreamEnd | undefined;
  const begin = (): void => {
    cancel();
    if (response.headersSent) return;
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-store' });
    response.flushHeaders();
  };
  const cancel = clock.after(headersAfterMs, begin);
  response.on('drain', () => stream.resume());
  stream.onClose(() => {
    cancel();
    if (end?.error !== undefined) return failLog(response, new ApiError(400, end.error));
    if (end === undefined) return failLog(response, new ApiError(503, 'the connection to the node broke'));
    begin();
    response.end();
  });
  stream.onFrame((number, data) => {
    if (number === channel.status) {
      end = parseEnd(data);
      return stream.close();
    }
    if (number !== channel.stdout && number !== channel.stderr) return;
    begin();
    if (!response.write(data)) stream.pause();
  });
}

/** The agent's last frame. */
export function parseEnd(data: Buffer): StreamEnd {
  try {
    const { exitCode, error } = JSON.parse(data.toString('utf8')) as { exitCode?: unknown; error?: unknown };
    return {
      ...(typeof exitCode === 'number' ? { exitCode } : {}),
      ...(typeof error === 'string' ? { error } : {}),
    };
  } catch {
    return { error: 'the node ended the stream with a frame that makes no sense' };
  }
}
