import type { IncomingMessage, ServerResponse } from 'node:http';
import { isCheckId, type NetCheckRequest } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { ApiError } from '../../kit/errors.ts';
import type { Cache } from '../../store/types.ts';
import type { FrameStream } from './frames.ts';
import { serveStream } from './log.ts';
import type { Streams } from './streams.ts';

/** Networks named in one request. */
const mostNetworks = 100;

/** Reads the query; where all nodes are, the server says. Throws ApiError 400. */
export function parseNetCheckQuery(query: URLSearchParams, cache: Pick<Cache, 'list'>): NetCheckRequest {
  const id = query.get('id') ?? '';
  if (!isCheckId(id))
    throw new ApiError(400, `query parameter id: expected 32 hexadecimal digits, got "${id.slice(0, 40)}"`);
  const networks = query.getAll('network');
  const bad = networks.find((name) => !/^[a-z0-9.-]{1,253}\/[a-z0-9.-]{1,253}$/.test(name));
  if (bad !== undefined)
    throw new ApiError(400, `query parameter network: expected NAMESPACE/NAME, got "${bad.slice(0, 100)}"`);
  if (networks.length > mostNetworks)
    throw new ApiError(400, `query parameter network: at most ${String(mostNetworks)}`);
  const peer = query.get('peer');
  return {
    ...{ kind: 'netcheck', id },
    ...(query.get('heard') === 'true' ? { heard: true } : {}),
    ...(networks.length === 0 ? {} : { networks }),
    ...(peer === null ? {} : { peer: peer.slice(0, 253) }),
    nodes: cache
      .list('Node')
      .flatMap(({ metadata: { name }, status }) => {
        const address = status?.addresses?.[0];
        return address === undefined ? [] : [{ name, address }];
      })
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

/** Has the node's agent check its networks, and passes on what it finds. */
export async function serveNetCheck(
  streams: Streams,
  request: IncomingMessage,
  response: ServerResponse,
  { node, cache, clock }: { readonly node: string; readonly cache: Cache; readonly clock: Clock },
): Promise<void> {
  const { searchParams } = new URL(request.url ?? '/', 'https://orc');
  const open = (signal: AbortSignal): Promise<FrameStream> =>
    streams.openOn(node, parseNetCheckQuery(searchParams, cache), signal);
  await serveStream(open, response, clock, 'application/json');
}
