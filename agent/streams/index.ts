import type { Readable } from 'node:stream';
import {
  channel,
  type NetCheckRequest,
  type StreamEnd,
  type StreamRequest,
} from '../../api-schemas/index.ts';
import { messageOf } from '../../kit/errors.ts';
import type { ContainerState, Runtime } from '../runtime/types.ts';

/** What is needed of a WebSocket (of `ws`): binary frames whose first byte is the channel. */
export interface StreamSocket {
  send(data: Uint8Array, done: (error?: Error | null) => void): void;
  on(event: 'message', listener: (data: Buffer) => void): unknown;
  on(event: 'close', listener: () => void): unknown;
  close(): void;
}

/**
 * Serves one logs or exec request on an open stream, and ends it with a `StreamEnd` on the status channel. Waits for a
 * slow reader. When the other end leaves, a follower ends and a command's input is closed. Never throws.
 */
export async function serveStream(
  socket: StreamSocket,
  request: Exclude<StreamRequest, NetCheckRequest>,
  container: ContainerState | undefined,
  runtime: Pick<Runtime, 'logs' | 'exec'>,
): Promise<void> {
  const abort = new AbortController();
  socket.on('close', () => abort.abort(new Error('the reader left')));
  let end: StreamEnd;
  try {
    if (container === undefined) throw new Error('the task has no container on this node');
    end =
      request.kind === 'logs'
        ? await serveLogs(socket, request, container.id, runtime, abort.signal)
        : await serveExec(socket, request, container, runtime, abort.signal);
  } catch (error) {
    end = { error: messageOf(error) };
  }
  if (!abort.signal.aborted)
    await send(socket, channel.status, Buffer.from(JSON.stringify(end))).catch(() => undefined);
  socket.close();
}

/** Serves one request that concerns the node: its answer is one text of JSON on standard output. Never throws. */
export async function serveAnswer(socket: StreamSocket, answer: () => Promise<unknown>): Promise<void> {
  let end: StreamEnd = {};
  try {
    await send(socket, channel.stdout, Buffer.from(JSON.stringify(await answer())));
  } catch (error) {
    end = { error: messageOf(error) };
  }
  await send(socket, channel.status, Buffer.from(JSON.stringify(end))).catch(() => undefined);
  socket.close();
}

async function serveLogs(
  socket: StreamSocket,
  request: Extract<StreamRequest, { kind: 'logs' }>,
  id: string,
  runtime: Pick<Runtime, 'logs'>,
  signal: AbortSignal,
): Promise<StreamEnd> {
  const { stdout, stderr } = await runtime.logs(id, request, signal);
  await pumpBoth(socket, stdout, stderr);
  return {};
}

async function serveExec(
  socket: StreamSocket,
  request: Extract<StreamRequest, { kind: 'exec' }>,
  container: ContainerState,
  runtime: Pick<Runtime, 'exec'>,
  signal: AbortSignal,
): Promise<StreamEnd> {
  if (container.status !== 'running') throw new Error(`the container is not running (${container.status})`);
  // Frames may come before the command has started.
  const early: Buffer[] = [];
  let deliver = (frame: Buffer): void => void early.push(frame);
  socket.on('message', (frame) => deliver(frame));
  const command = await runtime.exec(container.id, request);
  const { stdin } = command;
  stdin.on('error', () => undefined);
  deliver = (frame) => {
    const [kind] = frame;
    const data = frame.subarray(1);
    if (kind === channel.stdin && request.stdin) stdin.write(data);
    // Version 5 of the protocol: the channel that is done.
    else if (kind === channel.close && data[0] === channel.stdin) stdin.end();
    else if (kind === channel.resize) void resize(command, data);
  };
  early.splice(0).forEach((frame) => deliver(frame));
  signal.addEventListener('abort', () => stdin.destroy(), { once: true });
  await pumpBoth(socket, command.stdout, command.stderr);
  return { exitCode: await command.exitCode() };
}

/** A size of a terminal as kubectl sends it; a command that has ended has none. */
async function resize(command: Awaited<ReturnType<Runtime['exec']>>, data: Buffer): Promise<void> {
  try {
    const { Width: width, Height: height } = JSON.parse(data.toString('utf8')) as {
      Width: number;
      Height: number;
    };
    await command.resize(width, height);
  } catch {
    // Nothing depends on it.
  }
}

async function pumpBoth(socket: StreamSocket, stdout: Readable, stderr: Readable): Promise<void> {
  await Promise.all([pump(socket, channel.stdout, stdout), pump(socket, channel.stderr, stderr)]);
}

async function pump(socket: StreamSocket, kind: number, source: Readable): Promise<void> {
  for await (const chunk of source) await send(socket, kind, chunk as Buffer);
}

function send(socket: StreamSocket, kind: number, data: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const frame = Buffer.concat([Buffer.from([kind]), data]);
    socket.send(frame, (error) => (error ? reject(error) : resolve()));
  });
}
