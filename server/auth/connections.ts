/** The open connections of the API server, by whose certificate they are. */
import { X509Certificate } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { certificatesIn, digestOf } from '../../kit/certificate.ts';
import type { Clock } from '../../kit/clock.ts';
import { forgetIdentity } from './identity.ts';

/** Over this time those go who are in the midst of something, so that not all agents come back at once. */
const spreadMs = 1_500;

export interface Connections {
  /** After each handshake. */
  opened(socket: TLSSocket): void;
  /** A request that came on it is being answered: a watch for as long as it lasts. */
  asked(socket: TLSSocket, answer: ServerResponse): void;
  /** It is an exec or a session now, until its end. */
  upgraded(socket: TLSSocket): void;
  /**
   * Trusts these CAs (PEM) from now on. When one is missing that was trusted before, all connections end whose
   * certificate is of none that is left; no request is taken on them any more.
   */
  trust(authorities: string): void;
}

export interface ConnectionsOptions {
  /** PEM. */
  readonly trust: string;
  readonly clock: Clock;
  readonly random?: () => number;
}

/**
 * TLS verifies a certificate once, when a connection begins, and a connection may last for months: without this, who
 * has opened one in time would be let in by a CA that has been replaced.
 */
export function createConnections({ trust, clock, random = Math.random }: ConnectionsOptions): Connections {
  let authorities = certificatesIn(trust);
  let hasDropped = false;
  /** What goes on on each. */
  const open = new Map<TLSSocket, number>();
  const untrusted = new WeakSet<TLSSocket>();

  const isTrusted = (socket: TLSSocket): boolean => {
    // Without a certificate that was verified it is nobody's, and may do what anybody may.
    if (!socket.authorized) return true;
    const certificate = socket.getPeerX509Certificate();
    return (
      certificate !== undefined &&
      authorities.some((pem) => {
        const ca = new X509Certificate(pem);
        return certificate.checkIssued(ca) && certificate.verify(ca.publicKey);
      })
    );
  };
  const letGo = (socket: TLSSocket, work: number): void => {
    untrusted.add(socket);
    forgetIdentity(socket);
    if (work === 0) return void socket.destroySoon();
    const cancel = clock.after(random() * spreadMs, () => socket.destroy());
    socket.once('close', cancel);
  };
  const count = (socket: TLSSocket, by: number): void => {
    const work = open.get(socket);
    if (work === undefined) return;
    open.set(socket, work + by);
    if (work + by === 0 && untrusted.has(socket)) socket.destroySoon();
  };

  return {
    opened(socket) {
      open.set(socket, 0);
      socket.once('close', () => open.delete(socket));
      // Its handshake may have begun with what was trusted before.
      if (hasDropped && !isTrusted(socket)) letGo(socket, 0);
    },
    asked(socket, answer) {
      count(socket, 1);
      answer.once('close', () => count(socket, -1));
    },
    upgraded: (socket) => count(socket, 1),
    trust(pem) {
      const next = certificatesIn(pem);
      const digests = new Set(next.map(digestOf));
      const drops = authorities.some((one) => !digests.has(digestOf(one)));
      authorities = next;
      if (!drops) return;
      hasDropped = true;
      for (const [socket, work] of open) if (!isTrusted(socket)) letGo(socket, work);
    },
  };
}
