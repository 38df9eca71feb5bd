/** Upgrades: node sessions, and exec into a task. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Task } from '../../api-schemas/index.ts';
import { ApiError } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { callerOf } from '../auth/identity.ts';
import { sessionPath, unauthorized } from '../auth/authorize.ts';
import { get } from '../resources/get.ts';
import type { Api, Identity, ResourceCall, Sessions } from '../types.ts';
import { accessOf, check, parseUrl, type Url } from './handler.ts';
import { parsePath, pathNotFound } from './path.ts';
import { explained, internal } from './respond.ts';

/** Never throws: what is refused gets a Status and is closed. */
export async function handleUpgrade(
  {
    api,
    sessions,
    logger,
  }: { readonly api: Api; readonly sessions: Sessions | undefined; readonly logger: Logger },
  req: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  socket.on('error', () => socket.destroy());
  try {
    const url = parseUrl(req.url ?? '/');
    const identity = callerOf(req);
    if (identity === undefined) throw unauthorized();
    if (url.pathname === sessionPath || url.pathname.startsWith(`${sessionPath}/`)) {
      if (sessions === undefined) throw pathNotFound();
      check(identity, { kind: 'path', verb: 'get', path: url.pathname });
      return sessions.handleUpgrade(req, socket, head, identity);
    }
    await exec(api, url, identity, req, socket, head, logger);
  } catch (error) {
    const why = internal(error);
    if (why !== undefined) logger.error({ err: error }, 'an upgrade failed');
    const told = explained(error, api.storeTrouble());
    refuse(
      socket,
      told instanceof ApiError ? told : new ApiError(500, 'Internal error: see the log of the server'),
    );
  }
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
