import type { Readable } from 'node:stream';
import type Docker from 'dockerode';
import type { StreamRequest } from '../../../api-schemas/index.ts';
import type { Runtime } from '../types.ts';
import { asDuplex, demux } from '../streams.ts';

type LogsRequest = Extract<StreamRequest, { kind: 'logs' }>;
type ExecRequest = Extract<StreamRequest, { kind: 'exec' }>;

/** Opens a container's logs; `signal` ends a follower. */
export async function readLogs(
  docker: Docker,
  id: string,
  request: LogsRequest,
  signal: AbortSignal,
): Promise<{ stdout: Readable; stderr: Readable }> {
  const { Config: config } = await docker.getContainer(id).inspect();
  const source = await openLogs(docker, id, signal, {
    stdout: true,
    stderr: true,
    follow: request.follow,
    timestamps: request.timestamps,
    ...(request.tail === undefined ? {} : { tail: request.tail }),
    ...(request.since === undefined ? {} : { since: engineTime(request.since) }),
  });
  signal.addEventListener('abort', () => source.destroy(), { once: true });
  return demux(source, config.Tty);
}

/** `container.logs` of dockerode reads all into memory unless it follows; logs may be gigabytes. */
function openLogs(
  docker: Docker,
  id: string,
  signal: AbortSignal,
  options: Readonly<Record<string, string | number | boolean>>,
): Promise<Readable> {
  const modem = docker.modem as {
    dial(request: object, done: (error: Error | null, stream: Readable) => void): void;
  };
  const statusCodes = { 200: true, 404: 'no such container', 500: 'server error' };
  const request = {
    path: `/containers/${id}/logs?`,
    method: 'GET',
    isStream: true,
    statusCodes,
    options,
    abortSignal: signal,
  };
  return new Promise((resolve, reject) => {
    modem.dial(request, (error, stream) => (error === null ? resolve(stream) : reject(error)));
  });
}

/** The engine takes seconds with nine decimals; a whole RFC 3339 time only in some versions. */
export function engineTime(rfc3339: string): string {
  const ms = Date.parse(rfc3339);
  const fraction = /\.(\d+)/.exec(rfc3339)?.[1] ?? '0';
  return `${Math.floor(ms / 1000)}.${fraction.padEnd(9, '0').slice(0, 9)}`;
}

/** Runs a command in a running container. Output ends when the command does; then `exitCode` is known. */
export async function startExec(
  docker: Docker,
  id: string,
  request: ExecRequest,
): Promise<Awaited<ReturnType<Runtime['exec']>>> {
  const exec = await docker.getContainer(id).exec({
    Cmd: [...request.command],
    AttachStdin: request.stdin,
    AttachStdout: true,
    AttachStderr: true,
    Tty: request.tty,
    ...(request.user === undefined ? {} : { User: request.user }),
    ...(request.workingDir === undefined ? {} : { WorkingDir: request.workingDir }),
    ...(request.env === undefined ? {} : { Env: [...request.env] }),
  });
  const socket = asDuplex(await exec.start({ hijack: true, stdin: request.stdin, Tty: request.tty }));
  return {
    stdin: socket,
    ...demux(socket, request.tty),
    resize: async (width, height) => {
      await exec.resize({ w: width, h: height });
    },
    exitCode: async () => (await exec.inspect()).ExitCode ?? 0,
  };
}
