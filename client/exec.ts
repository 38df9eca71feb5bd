import type { Readable } from 'node:stream';
import { PassThrough, Writable } from 'node:stream';
import { WebSocket } from 'ws';
import { channel, type StreamEnd } from '../api-schemas/index.ts';
import type { Status } from '../kit/errors.ts';
import { connectionError, errorOfBody } from './errors.ts';
import { queryString, readText, type Transport } from './transport.ts';
import type { ExecParams } from './types.ts';

/** A command that runs in a task's container. */
export interface ExecSession {
  /** Ending it closes the command's standard input. */
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Empty with a tty. */
  readonly stderr: Readable;
  /** Size of the tty, in characters. */
  resize(width: number, height: number): void;
  /** Resolves when the command ended; `error` says why there is no exit code. Never rejects. */
  readonly ended: Promise<StreamEnd>;
  close(): void;
}

const pingMs = 20_000;

/** Exit code and reason out of the Status that ends a Kubernetes exec stream. */
export function endOfStatus(status: Status): StreamEnd {
  if (status.status === 'Success') return { exitCode: 0 };
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode');
  if (cause !== undefined) return { exitCode: Number(cause.message) };
  return { error: status.message ?? 'the command could not be run' };
}

function dial(url: string, endpoint: string, transport: Transport, signal?: AbortSignal): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), ['v5.channel.k8s.io', 'v4.channel.k8s.io'], {
      ...transport.tls,
      minVersion: 'TLSv1.3',
      headers: transport.headers,
      handshakeTimeout: 15_000,
      perMessageDeflate: false,
    });
    const onAbort = (): void => socket.terminate();
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('unexpected-response', (_request, response) => {
      readText(response).then(
        (body) => reject(errorOfBody(response.statusCode ?? 500, body)),
        (error: unknown) => reject(connectionError(endpoint, error, true)),
      );
    });
    socket.once('open', () => resolve(socket));
    socket.on('error', (error) =>
      reject(signal?.aborted ? (signal.reason as Error) : connectionError(endpoint, error, false)),
    );
    socket.once('close', () => signal?.removeEventListener('abort', onAbort));
  });
}

export async function openExec(
  transport: Transport,
  path: string,
  params: ExecParams,
  signal?: AbortSignal,
): Promise<ExecSession> {
  const { stdin = false, tty = false, ...rest } = params;
  const query = queryString({ ...rest, stdin, tty, stdout: true, stderr: !tty });
  const socket = await transport.overEndpoints(
    (endpoint) => dial(`${endpoint}${path}${query}`, endpoint, transport, signal),
    false,
  );
  return sessionOver(socket, transport);
}

function sessionOver(socket: WebSocket, transport: Transport): ExecSession {
  const resume = (): void => socket.resume();
  const stdout = new PassThrough().on('drain', resume);
  const stderr = new PassThrough().on('drain', resume);
  let end: StreamEnd | undefined;
  let alive = true;

  const send = (number: number, data: Uint8Array, done: (error?: Error | null) => void): void => {
    if (socket.readyState !== WebSocket.OPEN) return done();
    socket.send(Buffer.concat([Buffer.of(number), data]), (error) => done(error ?? null));
  };
  const stdin = new Writable({
    write: (chunk: Buffer, _encoding, done) => send(channel.stdin, chunk, done),
    final: (done) =>
      // Only v5 can close standard input alone.
      socket.protocol === 'v5.channel.k8s.io' ? send(channel.close, Buffer.of(channel.stdin), done) : done(),
  });
  stdin.on('error', () => undefined);

  socket.on('message', (data: Buffer, isBinary) => {
    if (!isBinary || data.length === 0) return;
    const payload = data.subarray(1);
    if (data[0] === channel.stdout && !stdout.write(payload)) socket.pause();
    if (data[0] === channel.stderr && !stderr.write(payload)) socket.pause();
    if (data[0] === channel.status) end = endOfStatus(JSON.parse(payload.toString('utf8')) as Status);
  });
  socket.on('pong', () => {
    alive = true;
  });
  let stopPing = (): void => undefined;
  const ping = (): void => {
    if (!alive && !socket.isPaused) return socket.terminate();
    alive = false;
    socket.ping();
    stopPing = transport.clock.after(pingMs, ping);
  };
  stopPing = transport.clock.after(pingMs, ping);

  const ended = new Promise<StreamEnd>((resolve) => {
    socket.once('close', (_code, reason) => {
      stopPing();
      stdout.end();
      stderr.end();
      stdin.destroy();
      resolve(end ?? { error: reason.toString() || 'the connection to the server broke' });
    });
  });
  return {
    stdin,
    stdout,
    stderr,
    ended,
    resize: (width, height) =>
      send(channel.resize, Buffer.from(JSON.stringify({ Width: width, Height: height })), () => undefined),
    close: () => socket.close(1000),
  };
}
