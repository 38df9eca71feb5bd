/** Upgrades: node sessions, and exec into a task. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import type { Task } from '../../api-schemas/index.ts';
import { ApiError } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { callerOf, identityOf } from '../auth/identity.ts';
import { isSession, unauthorized } from '../auth/authorize.ts';
import type { ServerMetrics } from '../metrics.ts';
import { get } from '../resources/get.ts';
import type { Api, Identity, ResourceCall, Sessions } from '../types.ts';
import { accessOf, check, parseUrl, type Url } from './handler.ts';
import { parsePath, pathNotFound } from './path.ts';
import { explained, internal } from './respond.ts';

export interface UpgradeOptions {
  readonly api: Api;
  readonly sessions: Sessions | undefined;
  readonly metrics: Pick<ServerMetrics, 'request'>;
  readonly logger: Logger;
}

/** Never throws: what is refused gets a Status and is closed; it is counted as any request is, and logged. */
export async function handleUpgrade(
  { api, sessions, metrics, logger }: UpgradeOptions,
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  const started = performance.now();
  const refused = (error: ApiError): void => noteRefusal(metrics, logger, req, error, started);
  try {
    const url = parseUrl(req.url ?? '/');
    const identity = callerOf(req);
    if (identity === undefined) throw unauthorized();
    if (isSession(url.pathname)) {
      if (sessions === undefined) throw pathNotFound();
      check(identity, { kind: 'path', verb: 'get', path: url.pathname });
      return sessions.handleUpgrade(req, socket, head, identity, refused);
    }
    await exec(api, url, identity, req, socket, head, logger);
  } catch (error) {
    const why = internal(error);
    if (why !== undefined) logger.error({ err: error }, 'an upgrade failed');
    const told = explained(error, api.storeTrouble());
    const answer =
      told instanceof ApiError ? told : new ApiError(500, 'Internal error: see the log of the server');
    refused(answer);
    refuse(socket, answer);
  }
}

/** Whoever has no right to what it asks for is worth a warning, with the name of its certificate. */
function noteRefusal(
  metrics: UpgradeOptions['metrics'],
  logger: Logger,
  req: IncomingMessage,
  { code, message }: ApiError,
  started: number,
): void {
  const path = (req.url ?? '').split('?', 1)[0] ?? '';
  const resource = isSession(path) ? 'sessions' : 'tasks/exec';
  metrics.request('connect', resource, code, (performance.now() - started) / 1000);
  const user = identityOf(req.socket as TLSSocket)?.name ?? '';
  const level = code === 401 || code === 403 ? 'warn' : 'debug';
  logger[level]({ user, path, code }, `an upgrade was refused: ${message}`);
}

async function exec(
  api: Api,
  url: Url,
  identity: Identity,
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  logger: Logger,
): Promise<void> {
  const target = parsePath(url.pathname);
  if (target.kind !== 'resource' || target.def.kind !== 'Task' || target.subresource !== 'exec')
    throw pathNotFound();
  if (api.streams === undefined) throw pathNotFound();
  // Running a command is a `create`, as in Kubernetes: reading tasks does not allow it.
  check(identity, accessOf(target, 'create'));
  const call: Pick<ResourceCall, 'def' | 'namespace' | 'name' | 'query' | 'warn'> = {
    ...target,
    warn: () => undefined,
    query: new URLSearchParams(),
  };
  const task = (await get(api, call)) as Task;
  if (socket.destroyed) return;
  logger.info(
    { user: identity.name, verb: 'create', object: `Task/${target.namespace}/${target.name}`, code: 101 },
    'exec',
  );
  await api.streams.handleExec(req, socket, head, task);
}

function refuse(socket: Duplex, error: ApiError): void {
  const body = JSON.stringify(error.toStatus());
  socket.end(
    `HTTP/1.1 ${error.code} ${error.reason}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
