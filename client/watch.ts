import type { IncomingMessage } from 'node:http';
import { backoffMs } from '../kit/backoff.ts';
import { sleep } from '../kit/clock.ts';
import { ApiError, isApiError, type Status } from '../kit/errors.ts';
import { errorOfStatus, isConnectionError } from './errors.ts';
import type { Query, Transport } from './transport.ts';

export interface WatchOptions {
  /** Start after this version; absent: a `SYNC` with the current state comes first. */
  readonly resourceVersion?: string | undefined;
  /** Ends the iteration quietly. */
  readonly signal?: AbortSignal | undefined;
  /** Also keep trying when the server cannot be reached at first. Default false: the first failure throws. */
  readonly persistent?: boolean;
}

export interface RawEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: unknown;
}

/** `SYNC` carries the collection as listed: what the watcher knew before is void. */
export type RawWatchEvent = RawEvent | { readonly type: 'SYNC'; readonly list: unknown };

interface Source {
  readonly path: string;
  readonly query: Query;
  readonly accept: string;
  /** Lists the whole collection. */
  list(signal: AbortSignal | undefined): Promise<unknown>;
}

/** A bookmark comes each minute, so a stream silent for longer is dead. */
const silenceMs = 150_000;

async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(10); at !== -1; at = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, at));
      const line = Buffer.concat(parts).toString('utf8');
      parts = [];
      from = at + 1;
      if (line !== '') yield line;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
}

const versionOf = (object: unknown): string | undefined => {
  const { metadata, rows } = object as {
    metadata?: { resourceVersion?: string };
    rows?: readonly { object?: { metadata?: { resourceVersion?: string } } }[];
  };
  return rows?.[0]?.object?.metadata?.resourceVersion ?? metadata?.resourceVersion;
};

const isFinal = (error: unknown): boolean =>
  !isConnectionError(error) &&
  isApiError(error) &&
  error.code < 500 &&
  error.code !== 429 &&
  error.code !== 410;

/**
 * Everything that happens to a collection, for as long as the caller iterates: broken connections are made
 * again from the last version seen, with jittered back-off; history that is gone (410) lists again (`SYNC`).
 * An event may come twice, never not at all. Throws when the server refuses (401, 403, 404, …).
 */
export async function* watchRaw(
  transport: Transport,
  source: Source,
  { resourceVersion, signal, persistent = false }: WatchOptions,
): AsyncGenerator<RawWatchEvent> {
  let version = resourceVersion;
  let failures = 0;
  let everConnected = persistent;
  while (!signal?.aborted) {
    try {
      if (version === undefined) {
        const list = await source.list(signal);
        version = versionOf({ metadata: (list as { metadata?: unknown }).metadata });
        everConnected = true;
        yield { type: 'SYNC', list };
      }
      const response = await transport.request({
        path: source.path,
        query: {
          ...source.query,
          watch: true,
          allowWatchBookmarks: true,
          resourceVersion: version,
          timeoutSeconds: 300 + Math.floor(transport.random() * 300),
        },
        headers: { accept: source.accept },
        signal,
        streaming: true,
        timeoutMs: silenceMs,
      });
      everConnected = true;
      const began = transport.clock.now();
      try {
        for await (const line of lines(response)) {
          const event = JSON.parse(line) as RawEvent | { type: 'ERROR'; object: Status };
          if (event.type === 'ERROR') throw errorOfStatus(event.object);
          failures = 0;
          version = versionOf(event.object) ?? version;
          yield event;
        }
      } finally {
        response.destroy();
      }
      // The server ended the stream in good order; one that ends at once, again and again, must not spin.
      failures = transport.clock.now() - began > 1_000 ? 0 : failures + 1;
    } catch (error) {
      if (signal?.aborted) return;
      if (isApiError(error, 'Expired') || (error instanceof ApiError && error.code === 410))
        version = undefined;
      else if (isFinal(error) || !everConnected) throw error;
      failures++;
    }
    const wait = backoffMs(failures, { baseMs: 100, maxMs: 10_000, random: transport.random });
    if (wait > 0) await sleep(transport.clock, wait, signal).catch(() => undefined);
  }
}
