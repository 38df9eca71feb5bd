import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { Pki } from './pki.ts';

export interface KeepPkiOptions {
  /** `ensurePki` with the options of the start. */
  readonly ensure: () => Promise<Pki>;
  /** Called with the new certificates each time, to have them used. A throw is logged, and the call repeated. */
  readonly onRenewed: (pki: Pki) => void | Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface PkiKeeper {
  /** The newest certificates. */
  readonly current: Pki;
  /** Makes the certificates anew where what they follow from has changed, and has them used. Throws. */
  renewNow(): Promise<void>;
  close(): void;
}

/** A timer does not count the time a machine sleeps, so the clock is looked at again at least this often. */
const lookMs = 6 * 3_600_000;
/** Near the end of the CA certificates are short-lived; this keeps them from being made without pause. */
const shortestMs = 60_000;
/** There is a third of a certificate's life left to succeed in. */
const retryMs = 10 * 60_000;

/** Keeps the certificates current for as long as the process runs: renews them at `renewAt`, again and again. */
export function keepPki(first: Pki, options: KeepPkiOptions): PkiKeeper {
  const { ensure, onRenewed, clock, logger } = options;
  let current = first;
  let closed = false;
  let cancel = (): void => undefined;

  const make = async (): Promise<void> => {
    const pki = await ensure();
    if (closed) return;
    await onRenewed(pki);
    current = pki;
  };
  const renew = async (): Promise<void> => {
    let least = shortestMs;
    try {
      await make();
      if (closed) return;
      logger.info({ renewAt: new Date(current.renewAt).toISOString() }, 'the certificates are renewed');
    } catch (error) {
      least = retryMs;
      logger.error(
        { err: messageOf(error), retryMs, validUntil: new Date(endOf(current)).toISOString() },
        'the certificates could not be renewed',
      );
    }
    look(least);
  };
  const look = (leastMs: number): void => {
    if (closed) return;
    const wait = Math.max(leastMs, Math.min(current.renewAt - clock.now(), lookMs));
    cancel = clock.after(wait, () => (clock.now() < current.renewAt ? look(0) : void renew()));
  };
  look(0);
  return {
    get current() {
      return current;
    },
    renewNow: make,
    close() {
      closed = true;
      cancel();
    },
  };
}

/** When the first of the certificates ends. */
export const endOf = ({ server, admin, node, etcd, etcdClient }: Pki): number =>
  Math.min(...[server, admin, node, etcd, etcdClient].map(({ notAfter }) => notAfter));
