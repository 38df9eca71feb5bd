/** One request from its first byte to its answer: who, what, may they, do it, write it down. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { nodeRefused } from '../../api-schemas/cluster-api.ts';
import { ApiError } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import {
  authorize,
  forbidden,
  healthPaths,
  isOpen,
  nodeOf,
  unauthorized,
  type Access,
} from '../auth/authorize.ts';
import { callerOf } from '../auth/identity.ts';
import type { ServerMetrics } from '../metrics.ts';
import { notAllowed } from '../resources/errors.ts';
import { dispatch, verbOf } from '../resources/dispatch.ts';
import type { Api, ClusterDoor, Identity, Reply, ResourceCall, Verb } from '../types.ts';
import { dialable } from '../session/peers.ts';
import type { Encoder } from '../watch/encode.ts';
import { otherPath, type OtherPaths } from './other.ts';
import { parsePath, type Target } from './path.ts';
import { explained, internal, send, sendError } from './respond.ts';

export interface Handler {
  readonly api: Api;
  readonly other: OtherPaths;
  readonly encoder: Encoder;
  readonly metrics: ServerMetrics;
  readonly logger: Logger;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
  /** Requests under way, apart from watches and logs. */
  inFlight: number;
  watches: number;
}

const anonymous: Identity = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
const writes = new Set<string>(['create', 'update', 'patch', 'delete', 'deletecollection']);

/** What is asked for, as far as it is known; for the log and the metrics. */
interface Asked {
  user: string;
  verb: string;
  resource: string;
  object: string;
  isDryRun: boolean;
}

/** Never throws. */
export async function handle(handler: Handler, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const started = performance.now();
  const asked: Asked = {
    user: anonymous.name,
    verb: (req.method ?? '').toLowerCase(),
    resource: '',
    object: '',
    isDryRun: false,
  };
  const gone = new AbortController();
  res.on('close', () => gone.abort(new Error('the client went away')));
  const signal = AbortSignal.any([gone.signal, handler.closing]);
  try {
    await answer(handler, req, res, asked, signal);
  } catch (error) {
    const why = internal(error);
    if (why !== undefined && !signal.aborted) {
      handler.logger.error({ err: error, verb: asked.verb, object: asked.object }, 'a request failed');
    }
    sendError(res, explained(error, handler.api.storeTrouble()));
  }
  const seconds = (performance.now() - started) / 1000;
  handler.metrics.request(asked.verb, asked.resource, res.statusCode, seconds);
  const line = {
    user: asked.user,
    verb: asked.verb,
    object: asked.object,
    code: res.statusCode,
    ms: Math.round(seconds * 1000),
  };
  if (asked.isDryRun) handler.logger.debug({ ...line, dryRun: true }, 'dry run');
  else if (writes.has(asked.verb)) handler.logger.info(line, 'write');
  else handler.logger.debug(line, 'read');
}

async function answer(
  handler: Handler,
  req: IncomingMessage,
  res: ServerResponse,
  asked: Asked,
  signal: AbortSignal,
): Promise<void> {
  const url = parseUrl(req.url ?? '/');
  const identity = callerOf(req);
  if (identity === undefined && !isOpen(url.pathname)) throw unauthorized();
  const who = identity ?? anonymous;
  asked.user = who.name;
  if (identity !== undefined) tellServers(res, handler.other.cluster);
  const target = parsePath(url.pathname);
  const warnings: string[] = [];
  switch (target.kind) {
    case 'other': {
      asked.object = target.path;
      check(who, { kind: 'path', verb: asked.verb, path: target.path });
      const work = (): Promise<Reply> => otherPath(handler.other, target.path, req, url.searchParams, who);
      // Health is asked most when there is most to do.
      const reply = healthPaths.includes(target.path) ? await work() : await counted(handler, work);
      return send(res, reply);
    }
    case 'resource': {
      const { def, namespace, name, subresource } = target;
      const verb = verbOf(req.method ?? '', { name, query: url.searchParams });
      asked.verb = verb ?? asked.verb;
      asked.resource = subresource === '' ? def.plural : `${def.plural}/${subresource}`;
      asked.object = [def.kind, namespace, name].filter((part) => part !== '').join('/');
      if (verb === undefined) throw notAllowed();
      check(who, accessOf(target, verb, url.searchParams));
      checkNode(who, handler.other.cluster);
      const call: ResourceCall = {
        def,
        verb,
        namespace,
        name,
        subresource,
        query: url.searchParams,
        req,
        res,
        identity: who,
        warn: (text) => void warnings.push(text),
        noteDryRun: () => void (asked.isDryRun = true),
        signal,
      };
      const reply = await bounded(handler, call, () => dispatch(handler.api, call, handler.encoder));
      if (reply !== undefined) send(res, reply, warnings);
      return;
    }
  }
}

/** Who is known is told where all managers are, so that it finds another one when this one is gone. */
function tellServers(res: ServerResponse, cluster: ClusterDoor | undefined): void {
  const servers = dialable(cluster?.servers() ?? []);
  if (servers.length > 0) res.setHeader('X-Orc-Servers', servers.join(','));
}

export interface Url {
  readonly pathname: string;
  readonly searchParams: URLSearchParams;
}

/**
 * Path and query, taken as they are: the URL class would resolve `..` and so make another path of what was
 * asked. Throws 400.
 */
export function parseUrl(text: string): Url {
  if (!text.startsWith('/')) throw new ApiError(400, 'the request has no valid path');
  const at = text.indexOf('?');
  return {
    pathname: at < 0 ? text : text.slice(0, at),
    searchParams: new URLSearchParams(at < 0 ? '' : text.slice(at + 1)),
  };
}

/** As in Kubernetes, a list or watch whose field selector names one object is a request for that object. */
export const accessOf = (
  target: Extract<Target, { kind: 'resource' }>,
  verb: Verb,
  query?: URLSearchParams,
): Access => ({
  kind: 'resource',
  verb,
  group: target.def.group,
  resource: target.def.plural,
  subresource: target.subresource,
  namespace: target.namespace,
  name: target.name === '' && (verb === 'list' || verb === 'watch') ? nameIn(query) : target.name,
});

const nameIn = (query: URLSearchParams | undefined): string =>
  /^metadata\.name==?([a-z0-9.-]+)$/.exec(query?.getAll('fieldSelector').join(',') ?? '')?.[1] ?? '';

/** A node that was removed, or whose name is another machine's by now, is told so: its certificate is good for nothing. */
function checkNode(identity: Identity, cluster: ClusterDoor | undefined): void {
  const node = nodeOf(identity);
  const refusal = node === undefined ? undefined : cluster?.refusalOf(node, identity.keyDigest);
  if (refusal !== undefined) throw new ApiError(403, refusal, { reason: nodeRefused });
}

/** Throws 403. */
export function check(identity: Identity, access: Access): void {
  const decision = authorize(identity, access);
  if (!decision.allowed) throw forbidden(identity, access, decision.reason);
}

const busy = (what: string): ApiError =>
  new ApiError(429, `Too many requests: ${what}, please try again later`, {
    details: { retryAfterSeconds: 1 },
  });

const lasting: readonly string[] = ['log', 'netcheck'];

/** Watches, logs and checks, which last, are bounded by their number; all else by how many are under way. */
async function bounded(
  handler: Handler,
  call: ResourceCall,
  work: () => Promise<Reply | undefined>,
): Promise<Reply | undefined> {
  if (call.verb !== 'watch' && !lasting.includes(call.subresource)) return counted(handler, work);
  if (handler.watches >= handler.api.limits.watches) throw busy('too many watches are open');
  handler.watches++;
  handler.metrics.watches.set(handler.watches);
  try {
    return await work();
  } finally {
    handler.watches--;
    handler.metrics.watches.set(handler.watches);
  }
}

async function counted<T>(handler: Handler, work: () => Promise<T>): Promise<T> {
  if (handler.inFlight >= handler.api.limits.inFlight) throw busy('too many are being answered');
  handler.inFlight++;
  handler.metrics.inFlight.set(handler.inFlight);
  try {
    return await work();
  } finally {
    handler.inFlight--;
    handler.metrics.inFlight.set(handler.inFlight);
  }
}
