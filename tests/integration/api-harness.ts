/** For the API's tests: a real etcd, a store and the API server over HTTPS, and a small client. */
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { createTracker, startServer } from '../../server/index.ts';
import { ensurePki, generateKey, issueCertificate, type Pki } from '../../server/pki/index.ts';
import type { Limits, ServerOptions } from '../../server/types.ts';
import { openStore, type OpenOptions, type Store } from '../../store/index.ts';
import { startTestEtcd, type TestEtcd } from '../../store/testing.ts';

export interface Answer {
  readonly code: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** The body as JSON. */
  // Tests look into answers of every shape.
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

export interface Ask {
  readonly body?: unknown;
  /** Sent as it is. */
  readonly raw?: string | Buffer;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whose certificate; `null` is none. Default: admin. */
  readonly as?: { readonly cert: string; readonly key: string } | null;
}

export interface Line {
  readonly type: string;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly object: any;
}

export interface OpenWatch {
  readonly lines: readonly Line[];
  /** The next line that `wanted` accepts, from the first not yet taken. Rejects after 10 s. */
  next(wanted?: (line: Line) => boolean): Promise<Line>;
  /** Resolves when the server ended the stream. */
  readonly ended: Promise<void>;
  isEnded(): boolean;
  /** Stops reading: what the server sends piles up. */
  pause(): void;
  close(): void;
}

export interface TestApi {
  readonly url: string;
  readonly etcd: TestEtcd;
  readonly store: Store;
  readonly pki: Pki;
  ask(method: string, path: string, ask?: Ask): Promise<Answer>;
  watch(path: string, ask?: Ask): Promise<OpenWatch>;
  /** A client certificate of the cluster's CA. */
  certificate(name: string, group: string): Promise<{ cert: string; key: string }>;
  stop(): Promise<void>;
}

export async function startTestApi({
  ring,
  ...options
}: Partial<Pick<ServerOptions, 'streams' | 'sessions' | 'storeTrouble' | 'logger'>> & {
  readonly limits?: Partial<Limits>;
  readonly ring?: OpenOptions['ring'];
} = {}): Promise<TestApi> {
  const dir = mkdtempSync(join(tmpdir(), 'orc-api-'));
  const [etcd, pki] = await Promise.all([
    startTestEtcd(),
    ensurePki(dir, { hostnames: ['127.0.0.1'], nodeName: 'n1' }),
  ]);
  const store = await openStore({
    endpoints: etcd.endpoints,
    logger: silentLogger,
    track: createTracker(systemClock),
    ...(ring === undefined ? {} : { ring }),
  });
  const server = await startServer({
    registry: store.registry,
    listen: { host: '127.0.0.1', port: 0 },
    tls: { ca: pki.ca.cert, cert: pki.server.cert, key: pki.server.key },
    logger: silentLogger,
    clock: systemClock,
    version: '0.0.0',
    ...options,
  });
  const agents = new Map<string, Agent>();
  const agentOf = (as: Ask['as']): Agent => {
    const identity = as === undefined ? pki.admin : as;
    const id = identity?.cert ?? '';
    let agent = agents.get(id);
    if (agent === undefined) {
      agent = new Agent({
        keepAlive: true,
        ca: pki.ca.cert,
        ...(identity === null ? {} : { cert: identity.cert, key: identity.key }),
      });
      agents.set(id, agent);
    }
    return agent;
  };

  const open = (
    method: string,
    path: string,
    { body, raw, type, headers, as }: Ask = {},
  ): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const content = raw ?? (body === undefined ? undefined : JSON.stringify(body));
      const req = request(
        {
          // Not as a URL, which would resolve `..` before it is sent.
          hostname: new URL(server.url).hostname,
          port: new URL(server.url).port,
          path,
          method,
          agent: agentOf(as),
          headers: {
            'User-Agent': 'test/1',
            ...(content === undefined
              ? {}
              : { 'Content-Type': type ?? 'application/json', 'Content-Length': Buffer.byteLength(content) }),
            ...headers,
          },
        },
        resolve,
      );
      req.on('error', reject);
      req.end(content);
    });

  const ask: TestApi['ask'] = async (method, path, given) => {
    const res = await open(method, path, given);
    const chunks: Buffer[] = [];
    for await (const chunk of res) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch {
      body = undefined;
    }
    return { code: res.statusCode ?? 0, headers: res.headers, text, body };
  };

  const watch: TestApi['watch'] = async (path, given) => {
    const res = await open('GET', path, given);
    const lines: Line[] = [];
    let taken = 0;
    let rest = '';
    let wake = (): void => undefined;
    res.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop() ?? '';
      for (const part of parts) lines.push(JSON.parse(part) as Line);
      wake();
    });
    let over = false;
    const ended = new Promise<void>((resolve) =>
      res.on('close', () => {
        over = true;
        resolve();
      }),
    );
    res.on('error', () => undefined);
    return {
      lines,
      ended,
      async next(wanted = () => true) {
        const deadline = Date.now() + 10_000;
        for (;;) {
          for (; taken < lines.length; taken++) {
            const line = lines[taken];
            if (line !== undefined && wanted(line)) {
              taken++;
              return line;
            }
          }
          if (Date.now() > deadline) throw new Error(`no such line among ${JSON.stringify(lines)}`);
          await new Promise<void>((resolve) => {
            const timer = setTimeout(resolve, 500);
            wake = () => {
              clearTimeout(timer);
              resolve();
            };
          });
        }
      },
      isEnded: () => over,
      pause: () => res.pause(),
      close: () => res.destroy(),
    };
  };

  return {
    url: server.url,
    etcd,
    store,
    pki,
    ask,
    watch,
    async certificate(commonName, organization) {
      const key = await generateKey();
      const cert = issueCertificate(
        pki.ca,
        { commonName, organization, usage: 'client', days: 1 },
        key,
        systemClock,
      );
      return { cert, key };
    },
    async stop() {
      for (const agent of agents.values()) agent.destroy();
      await server.close();
      await store.close();
      await etcd.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
