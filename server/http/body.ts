/** Request bodies: read whole within a limit, or refused with nothing done. */
import type { IncomingMessage } from 'node:http';
import { parseYaml } from '../../api-schemas/index.ts';
import { ApiError, messageOf } from '../../kit/errors.ts';
import { isList, isObject, type Json, type JsonObject } from '../apply/value.ts';
import { mediaType } from './media.ts';

/** YAML is slow to parse and parsing holds up everyone; JSON has the general limit. */
const maxYamlBytes = 1024 * 1024;
const maxDepth = 100;

export const tooLarge = (limit: number): ApiError =>
  new ApiError(413, `Request entity too large: limit is ${limit}`);

/** How long a body may take to arrive. A sender that drips would else hold its place for ever. */
const bodyTimeoutMs = 30_000;

/** The whole body. Throws 413 past `limit` bytes, 400 when it breaks off, 408 when it takes too long. */
export function readBody(
  req: IncomingMessage,
  limit: number,
  timeoutMs: number = bodyTimeoutMs,
): Promise<Buffer> {
  const encoding = req.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    return Promise.reject(new ApiError(415, `content encoding ${JSON.stringify(encoding)} is not supported`));
  }
  if (Number(req.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge(limit));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const timer = setTimeout(
      () =>
        fail(
          new ApiError(408, `the request body did not arrive within ${timeoutMs / 1000} s`, {
            reason: 'Timeout',
          }),
        ),
      timeoutMs,
    );
    const fail = (error: ApiError): void => {
      clearTimeout(timer);
      req.removeAllListeners('data');
      req.resume();
      reject(error);
    };
    req.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) fail(tooLarge(limit));
      else chunks.push(chunk);
    });
    const cut = (): void => fail(new ApiError(400, 'the request body broke off before its end'));
    req.on('end', () => {
      clearTimeout(timer);
      if (req.complete) resolve(Buffer.concat(chunks));
      else cut();
    });
    req.on('error', cut);
    req.on('close', () => {
      if (!req.complete) cut();
    });
  });
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false });

export function textOf(body: Buffer): string {
  try {
    return utf8.decode(body);
  } catch (error) {
    throw new ApiError(400, 'the request body is not valid UTF-8', { cause: error });
  }
}

export function parseJson(body: Buffer): Json {
  let value: Json;
  try {
    value = JSON.parse(textOf(body)) as Json;
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(400, `the request body is not valid JSON: ${messageOf(error)}`);
  }
  return checked(value);
}

/** YAML or JSON, one document. Aliases may not multiply the document (billion laughs). */
export function parseYamlOrJson(body: Buffer): Json {
  const text = textOf(body);
  if (/^\s*[{[]/.test(text)) {
    try {
      return checked(JSON.parse(text) as Json);
    } catch (error) {
      if (error instanceof ApiError) throw error;
      // Flow-style YAML also starts with a brace.
    }
  }
  if (body.length > maxYamlBytes) throw tooLarge(maxYamlBytes);
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch (error) {
    throw new ApiError(400, `the request body is not valid YAML: ${messageOf(error)}`);
  }
  return checked((value ?? null) as Json);
}

/** Parses by the request's content type; absent means JSON. */
export function parseByType(req: IncomingMessage, body: Buffer): Json {
  switch (mediaType(req.headers['content-type'])) {
    case '':
    case 'application/json':
      return parseJson(body);
    case 'application/yaml':
    case 'application/x-yaml':
    case 'text/yaml':
      return parseYamlOrJson(body);
    default:
      throw unsupported(['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']);
  }
}

export const unsupported = (accepted: readonly string[]): ApiError =>
  new ApiError(
    415,
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  );

export function objectOrThrow(value: Json): JsonObject {
  if (isObject(value)) return value;
  throw new ApiError(
    400,
    `the request body must be one object, not ${isList(value) ? 'a list' : typeof value}`,
  );
}

/**
 * Refuses what no object needs and code trips over: nesting beyond 100 levels and keys named `__proto__`.
 */
function checked(value: Json): Json {
  let level: readonly Json[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > maxDepth)
      throw new ApiError(400, `the request body is nested more than ${maxDepth} levels deep`);
    const next: Json[] = [];
    for (const item of level) {
      if (isList(item)) for (const child of item) next.push(child);
      else if (isObject(item)) {
        for (const key of Object.keys(item)) {
          if (key === '__proto__') throw new ApiError(400, 'the request body has a field named "__proto__"');
          next.push(item[key] ?? null);
        }
      }
    }
    level = next;
  }
  return value;
}
