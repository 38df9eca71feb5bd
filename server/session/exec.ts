import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import { channel, type StreamEnd, type StreamRequest, type Task } from '../../api-schemas/index.ts';
import { ApiError, messageOf, type Status } from '../../kit/errors.ts';
import { frameStream, type FrameStream } from './frames.ts';
import { refuseUpgrade } from './refuse.ts';
import { parseEnd } from './log.ts';
import type { Streams } from './streams.ts';

export const execProtocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;

/** Reads the query of Kubernetes' pods/exec, and of `user`, `workingDir` and `env`, which are orc's own. */
export function parseExecQuery(query: URLSearchParams): Extract<StreamRequest, { kind: 'exec' }> {
  const on = (name: string): boolean => ['true', '1', ''].includes(query.get(name) ?? 'false');
  const command = query.getAll('command');
  if (command.length === 0 || command[0] === '')
    throw new ApiError(400, 'query parameter command: at least one is needed, e.g. ?command=ls&command=-l');
  const user = query.get('user');
  const workingDir = query.get('workingDir');
  const env = query.getAll('env');
  const bad = env.find((entry) => entry.indexOf('=') < 1);
  if (bad !== undefined) throw new ApiError(400, 'query parameter env: expected NAME=value');
  return {
    kind: 'exec',
    command,
    stdin: on('stdin'),
    tty: on('tty'),
    ...(user === null ? {} : { user }),
    ...(workingDir === null ? {} : { workingDir }),
    ...(env.length === 0 ? {} : { env }),
  };
}

/** The `Status` that ends a Kubernetes exec stream. */
export function statusOfEnd({ exitCode, error }: StreamEnd): Status {
  const base = { kind: 'Status', apiVersion: 'v1', metadata: {} } as const;
  if (error === undefined && exitCode === 0) return { ...base, status: 'Success' };
  if (error === undefined && exitCode !== undefined)
    return {
      ...base,
      status: 'Failure',
      reason: 'NonZeroExitCode',
      message: `command terminated with non-zero exit code: ${String(exitCode)}`,
      details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
    };
  const message = error ?? 'the command ended without an exit code';
  return { ...base, status: 'Failure', reason: 'InternalError', message, code: 500 };
}

/** Joins a client's exec WebSocket to the agent's stream; when either goes, so does the other. */
export async function serveExec(
  streams: Streams,
  server: WebSocketServer,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  task: Task,
): Promise<void> {
  const gone = new AbortController();
  const onGone = (): void => gone.abort(new Error('the client went away'));
  socket.once('close', onGone);
  socket.on('error', onGone);
  try {
    const { searchParams } = new URL(request.url ?? '/', 'https://orc');
    const exec = parseExecQuery(searchParams);
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    if (!execProtocols.some((name) => offered.includes(name)))
      throw new ApiError(400, `exec speaks the WebSocket protocols ${execProtocols.join(', ')}`);
    const agent = await streams.open(task, exec, gone.signal);
    if (gone.signal.aborted) return agent.close();
    server.handleUpgrade(request, socket, head, (client: WebSocket) => bridge(frameStream(client), agent));
    // handleUpgrade answers by itself when the request is no WebSocket handshake.
    if (socket.destroyed) agent.close();
  } catch (error) {
    if (!socket.destroyed)
      refuseUpgrade(socket, error instanceof ApiError ? error : new ApiError(500, messageOf(error)));
  }
}

const fromClient = new Set<number>([channel.stdin, channel.resize, channel.close]);

function bridge(client: FrameStream, agent: FrameStream): void {
  let ended = false;
  const finish = (end: StreamEnd): void => {
    if (ended) return;
    ended = true;
    client.send(channel.status, Buffer.from(JSON.stringify(statusOfEnd(end))));
    client.close();
    agent.close();
  };
  client.onDrain(() => agent.resume());
  agent.onDrain(() => client.resume());
  client.onClose(() => agent.close());
  agent.onClose(() => finish({ error: 'the connection to the node broke' }));
  client.onFrame((number, data) => {
    if (fromClient.has(number) && !agent.send(number, data)) client.pause();
  });
  agent.onFrame((number, data) => {
    if (number === channel.status) return finish(parseEnd(data));
    if ((number === channel.stdout || number === channel.stderr) && !client.send(number, data)) agent.pause();
  });
}
