/** Paths that are no objects: health, version, discovery, OpenAPI, reviews, metrics. */
import type { IncomingMessage } from 'node:http';
import { ApiError, messageOf } from '../../kit/errors.ts';
import { reviewKind, review } from '../auth/reviews.ts';
import { discovery } from '../discovery/discovery.ts';
import type { ServerMetrics } from '../metrics.ts';
import type { OpenApi } from '../openapi/openapi.ts';
import { decodeKubernetes, protobufType } from '../protobuf/kubernetes.ts';
import { notAllowed } from '../resources/errors.ts';
import { clusterPath } from '../auth/authorize.ts';
import { loadedPath } from '../session/types.ts';
import type { ClusterDoor, Identity, Reply, Sessions } from '../types.ts';
import { objectOrThrow, parseByType, readBody } from './body.ts';
import { mediaType } from './media.ts';
import { pathNotFound } from './path.ts';

export interface OtherPaths {
  readonly version: string;
  readonly metrics: ServerMetrics;
  readonly openapi: OpenApi;
  readonly bodyBytes: number;
  readonly cluster: ClusterDoor | undefined;
  readonly sessions: Sessions | undefined;
  /** Why the server cannot answer; undefined when it can. */
  ready(): Promise<string | undefined>;
}

/** Who joins is not known yet: what it sends is small. */
const clusterBodyBytes = 64 * 1024;

/** Throws 404 and 405. */
export async function otherPath(
  paths: OtherPaths,
  path: string,
  req: IncomingMessage,
  query: URLSearchParams,
  identity: Identity,
): Promise<Reply> {
  const kind = reviewKind(path);
  if (kind !== undefined) {
    if (req.method !== 'POST') throw notAllowed();
    const body = await readBody(req, paths.bodyBytes);
    const object =
      mediaType(req.headers['content-type']) === protobufType
        ? decodeKubernetes(body, kind)
        : objectOrThrow(parseByType(req, body));
    return review(kind, object, identity);
  }
  if (path.startsWith(clusterPath) && paths.cluster !== undefined) {
    const from = req.socket.remoteAddress;
    return paths.cluster.handle({
      ...(from === undefined ? {} : { from }),
      method: req.method ?? 'GET',
      path: path.slice(clusterPath.length),
      query,
      identity,
      body: async () => objectOrThrow(parseByType(req, await readBody(req, clusterBodyBytes))),
    });
  }
  if (path === loadedPath && paths.sessions !== undefined) {
    if (req.method !== 'POST') throw notAllowed();
    const question = objectOrThrow(parseByType(req, await readBody(req, paths.bodyBytes)));
    return { code: 200, body: await paths.sessions.handleLoaded(question) };
  }
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    throw (await answer(paths, path, req, query).catch(() => undefined)) === undefined
      ? pathNotFound()
      : notAllowed();
  }
  const reply = await answer(paths, path, req, query);
  if (reply === undefined) throw pathNotFound();
  return reply;
}

async function answer(
  paths: OtherPaths,
  path: string,
  req: IncomingMessage,
  query: URLSearchParams,
): Promise<Reply | undefined> {
  switch (path) {
    case '/healthz':
    case '/livez':
      return ok;
    case '/readyz':
      return readiness(paths);
    case '/version':
      return { code: 200, body: versionOf(paths.version) };
    case '/metrics': {
      const { type, body } = await paths.metrics.text();
      return { code: 200, body, type };
    }
    case '/':
      return { code: 200, body: { paths: rootPaths } };
    default:
      return discovery(path, req.headers.accept) ?? paths.openapi.answer(path, req, query);
  }
}

const rootPaths = [
  '/api',
  '/api/v1',
  '/apis',
  '/healthz',
  '/livez',
  '/metrics',
  '/openapi/v2',
  '/openapi/v3',
  '/readyz',
  '/version',
];
const ok: Reply = { code: 200, body: 'ok', type: 'text/plain; charset=utf-8' };

async function readiness(paths: OtherPaths): Promise<Reply> {
  const why = await paths.ready().catch(messageOf);
  if (why === undefined) return ok;
  throw new ApiError(503, `not ready: ${why}`, { details: { retryAfterSeconds: 1 } });
}

/** The Kubernetes API that we speak, and what we are. */
function versionOf(version: string): object {
  return {
    major: '1',
    minor: '33',
    gitVersion: `v1.33.0+orc.${version.replace(/[^0-9A-Za-z.-]/g, '-')}`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: 'node',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  };
}
