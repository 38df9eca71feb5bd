/** The API server: Kubernetes' conventions over HTTPS, for the kinds of `api-schemas`. */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { SecureContextOptions, TLSSocket } from 'node:tls';
import { ensureNamespaces } from './admission/namespaces.ts';
import { createConnections } from './auth/connections.ts';
import { handle, type Handler } from './http/handler.ts';
import { handleUpgrade } from './http/upgrade.ts';
import { createMetrics } from './metrics.ts';
import { createOpenApi } from './openapi/openapi.ts';
import type { Api, Limits, Listening, RunningServer, ServerOptions } from './types.ts';
import { createEncoder } from './watch/encode.ts';

export { createRecorder, type EventText, type RecordEvent, type RecorderOptions } from './events.ts';
export { createTracker } from './resources/track.ts';
export type { Identity, Limits, RunningServer, ServerOptions, Sessions, Streams } from './types.ts';

const defaults: Limits = {
  inFlight: 400,
  watches: 10_000,
  bodyBytes: 4 * 1024 * 1024,
  watchBufferBytes: 4 * 1024 * 1024,
  bookmarkMs: 60_000,
};

/** How long `close` waits for requests under way before it cuts them off. */
const closeGraceMs = 5000;

/**
 * Creates the namespaces `default` and `orc-system` where they are missing, then listens. Rejects when the
 * address cannot be listened on. Client certificates are asked for, not required: who has none is anonymous
 * and may see health and version only.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { registry, clock, logger, listen, tls, sessions } = options;
  let listening: Listening = { address: listen.host, port: listen.port };
  const api: Api = {
    registry,
    clock,
    logger,
    limits: { ...defaults, ...options.limits },
    streams: options.streams,
    storeTrouble: options.storeTrouble ?? (() => undefined),
    listening: () => listening,
  };
  const closing = new AbortController();
  const metrics = createMetrics(registry, options.storeCounters, () => options.cluster?.refusals ?? {});
  const handler: Handler = {
    api,
    metrics,
    logger,
    encoder: createEncoder(clock),
    closing: closing.signal,
    inFlight: 0,
    watches: 0,
    other: {
      version: options.version,
      metrics,
      openapi: createOpenApi(options.version),
      bodyBytes: api.limits.bodyBytes,
      cluster: options.cluster,
      sessions,
      ready: options.ready ?? (async () => void (await registry.cache.sync())),
    },
  };
  await registry.cache.sync();
  await ensureNamespaces(registry);

  const server = createServer({
    ...secureContextOf(tls),
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ['http/1.1'],
    // Watches and logs have no end; bodies and headers do.
    requestTimeout: 0,
    headersTimeout: 20_000,
    keepAliveTimeout: 75_000,
    connectionsCheckingInterval: 5000,
    handshakeTimeout: 10_000,
    maxHeaderSize: 64 * 1024,
  });
  const connections = createConnections({ trust: tls.ca, clock });
  const sockets = new Set<Socket>();
  const upgraded = new Set<Duplex>();
  server.on('connection', (socket: Socket) => {
    socket.setKeepAlive(true, 30_000);
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('secureConnection', (socket) => connections.opened(socket));
  server.on('request', (req, res) => {
    connections.asked(req.socket as TLSSocket, res);
    void handle(handler, req, res);
  });
  server.on('upgrade', (req, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    connections.upgraded(req.socket as TLSSocket);
    socket.on('close', () => upgraded.delete(socket));
    void handleUpgrade({ api, sessions, metrics, logger }, req, socket, head);
  });
  server.on('tlsClientError', (error, socket) => {
    logger.debug({ error: error.message }, 'a TLS handshake failed');
    socket.destroy();
  });
  server.on('clientError', (error, socket) => {
    logger.debug({ error: error.message }, 'a request could not be read');
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    else socket.destroy();
  });

  server.listen(listen.port, listen.host);
  await once(server, 'listening');
  const address = server.address();
  if (typeof address === 'object' && address !== null) listening = address;
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host;

  const stop = async (): Promise<void> => {
    const ended = once(server, 'close');
    server.close();
    closing.abort(new Error('the server is closing'));
    for (const socket of upgraded) socket.destroy();
    server.closeIdleConnections();
    const cancel = clock.after(closeGraceMs, () => {
      for (const socket of sockets) socket.destroy();
    });
    const idle = setInterval(() => server.closeIdleConnections(), 50);
    await ended;
    clearInterval(idle);
    cancel();
  };
  let stopped: Promise<void> | undefined;
  return {
    url: `https://${host}:${listening.port}`,
    renewTls(renewed) {
      server.setSecureContext(secureContextOf(renewed));
      connections.trust(renewed.ca);
    },
    close: () => (stopped ??= stop()),
  };
}

const secureContextOf = ({ ca, cert, key }: ServerOptions['tls']): SecureContextOptions => ({
  ca,
  cert,
  key,
  minVersion: 'TLSv1.2',
});
