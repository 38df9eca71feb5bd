import type * as crypto from 'node:crypto';
import type * as net from 'node:net';
import type * as tls from 'node:tls';
import type * as threads from 'node:worker_threads';

/** What the main thread tells the second one. */
export interface LifeTarget {
  /** `https://host:port`; the first one is that of the session, the others are for when it is gone. */
  readonly servers: readonly string[];
  /** Between signs; as between the heartbeats of the session. */
  readonly everyMs: number;
  readonly tls: { readonly ca: string; readonly cert?: string; readonly key?: string };
}

/**
 * The program of the second thread: a ping now and then on a WebSocket of its own, to the first server that it
 * reaches. It is run from its own text, so it uses nothing but `load` and what is in Node; and it speaks WebSocket
 * by hand, since a thread that loads `ws` and `https` takes twice the memory.
 */
export function signOfLifeThread(load: NodeJS.Require): void {
  const { parentPort } = load('node:worker_threads') as typeof threads;
  const { connect } = load('node:tls') as typeof tls;
  const { isIP } = load('node:net') as typeof net;
  const { randomBytes } = load('node:crypto') as typeof crypto;
  /** Ticks without an answer after which a connection is given up. */
  const patience = 3;
  /** A ping without payload, masked with nothing. */
  const ping = Buffer.from([0x89, 0x80, 0, 0, 0, 0]);
  let target: LifeTarget | undefined;
  let at = 0;
  let end = (): void => undefined;
  let tick = (): void => dial();
  let timer: NodeJS.Timeout | undefined;

  function dial(): void {
    if (target === undefined) return;
    const { servers, tls: identity } = target;
    const { hostname, port, host } = new URL(servers[at % servers.length] ?? '');
    const name = hostname.replace(/^\[|\]$/g, '');
    const socket = connect({
      ...identity,
      host: name,
      port: Number(port === '' ? 443 : port),
      ...(isIP(name) === 0 ? { servername: name } : {}),
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['http/1.1'],
    });
    let isOpen = false;
    let unanswered = 0;
    let head = '';
    socket.setNoDelay(true);
    socket.on('secureConnect', () =>
      socket.write(
        `GET /session/v1/alive HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
          `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
      ),
    );
    socket.on('data', (data: Buffer) => {
      unanswered = 0;
      if (isOpen) return;
      head += data.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      if (!head.startsWith('HTTP/1.1 101 ')) return void socket.destroy();
      isOpen = true;
      head = '';
      socket.write(ping);
    });
    socket.on('error', () => undefined);
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      at += 1;
      tick = dial;
    });
    end = () => {
      socket.removeAllListeners('close');
      socket.destroy();
    };
    tick = () => {
      if (unanswered >= patience) return void socket.destroy();
      unanswered += 1;
      if (isOpen) socket.write(ping);
    };
  }

  parentPort?.on('message', (next: LifeTarget) => {
    target = next;
    at = 0;
    end();
    dial();
    clearInterval(timer);
    timer = setInterval(() => tick(), next.everyMs);
  });
}
