/** `/openapi/v2` and `/openapi/v3`, made at the first request and kept as bytes. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { gzipSync, gunzipSync } from 'node:zlib';
import { groups } from '../discovery/resources.ts';
import { parseAccept } from '../http/media.ts';
import type { Reply } from '../types.ts';
import { encodeV2 } from './gnostic.ts';
import { documentV2, jsonV2 } from './v2.ts';
import { documentV3 } from './v3.ts';

export interface OpenApi {
  answer(path: string, req: IncomingMessage, query: URLSearchParams): Reply | undefined;
}

interface Kept {
  readonly zipped: Buffer;
  readonly hash: string;
}

/** What kubectl asks for; as a media type it is not valid, so the answer says it with a dot. */
const askedV2 = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
const protobufV2 = askedV2.replace('@', '.');

export function createOpenApi(version: string): OpenApi {
  const kept = new Map<string, Kept>();
  /** The documents are large and rarely asked for: kept compressed. */
  const document = (id: string, make: () => Buffer): Kept => {
    let found = kept.get(id);
    if (found === undefined) {
      const bytes = make();
      found = {
        zipped: gzipSync(bytes),
        hash: createHash('sha512').update(bytes).digest('hex').toUpperCase(),
      };
      kept.set(id, found);
    }
    return found;
  };
  const v3 = (path: string): Kept | undefined => {
    const group = groups.find((one) => pathOf(one) === path);
    return group === undefined
      ? undefined
      : document(`v3 ${path}`, () => Buffer.from(JSON.stringify(documentV3(group, version))));
  };

  return {
    answer(path, req, query) {
      if (path === '/openapi/v3') {
        const paths = Object.fromEntries(
          groups.map((group) => {
            const at = pathOf(group);
            return [at, { serverRelativeURL: `/openapi/v3/${at}?hash=${v3(at)?.hash ?? ''}` }];
          }),
        );
        return { code: 200, body: { paths } };
      }
      if (path.startsWith('/openapi/v3/')) {
        const found = v3(path.slice('/openapi/v3/'.length));
        if (found === undefined) return undefined;
        const forEver = query.get('hash') === found.hash;
        return reply(found, req, 'application/json', forEver ? { 'Cache-Control': 'public, immutable' } : {});
      }
      if (path !== '/openapi/v2') return undefined;
      const binary = parseAccept(req.headers.accept).some(
        ({ type }) => type === askedV2 || type === protobufV2,
      );
      const found = binary
        ? document('v2 protobuf', () => encodeV2(documentV2(version)))
        : document('v2', () => Buffer.from(JSON.stringify(jsonV2(documentV2(version)))));
      return reply(found, req, binary ? protobufV2 : 'application/json', { Vary: 'Accept' });
    },
  };
}

const pathOf = ({ group, version }: { readonly group: string; readonly version: string }): string =>
  group === '' ? `api/${version}` : `apis/${group}/${version}`;

function reply(
  found: Kept,
  req: IncomingMessage,
  type: string,
  headers: Readonly<Record<string, string>>,
): Reply {
  const etag = `"${found.hash}"`;
  const all = { ETag: etag, ...headers };
  if (req.headers['if-none-match'] === etag) return { code: 304, body: '', type, headers: all };
  const zip = /\bgzip\b/.test(String(req.headers['accept-encoding'] ?? ''));
  return {
    code: 200,
    body: zip ? found.zipped : gunzipSync(found.zipped),
    type,
    headers: zip ? { ...all, 'Content-Encoding': 'gzip' } : all,
  };
}
