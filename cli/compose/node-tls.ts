/** A node's certificate: read from its files, and renewed in time while the agent runs. */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expiredText, renewCertificate } from '../../client/index.ts';
import { renewalOf } from '../../kit/certificate.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { writeDurably } from '../../kit/files.ts';
import type { Logger } from '../../kit/log.ts';
import { shuffled } from '../../kit/shuffle.ts';
import { CliError } from '../errors.ts';

/** PEM texts. */
export interface NodeTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The files that a join, or a server on the same data directory, made. Throws CliError. */
export function readNodeTls(dataDir: string): NodeTls {
  const read = (name: string): string => {
    const path = join(dataDir, 'pki', name);
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      throw new CliError(
        `cannot read ${path}: join a cluster with \`orc join\`, or start \`orc server\` on this data directory first`,
        { cause: error },
      );
    }
  };
  return { ca: read('ca.crt'), cert: read('node.crt'), key: read('node.key') };
}

export interface NodeTlsOptions {
  readonly dataDir: string;
  readonly nodeName: string;
  /** `https://host:port` of all servers that are known now. */
  readonly servers: () => readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: asks the server. */
  readonly renew?: typeof renewCertificate;
  readonly random?: () => number;
}

export interface NodeTlsKeeper {
  /** As it is now; for the next dial. */
  readonly current: NodeTls;
  close(): void;
}

/** A timer does not count the time a machine sleeps, so the clock is looked at again at least this often. */
const lookMs = 6 * 3_600_000;
/** Between attempts: a twentieth of what is left, within these. */
const retry = { leastMs: 1_000, mostMs: 10 * 60_000 };

/**
 * Keeps the node's certificate current: past two thirds of its life it asks one server after another for the next
 * one, for the same key, and writes it. Sessions that are open stay as they are.
 */
export function keepNodeTls(options: NodeTlsOptions): NodeTlsKeeper {
  const { dataDir, clock, logger } = options;
  let current = readNodeTls(dataDir);
  let isClosed = false;
  let cancel = (): void => undefined;

  const attempt = async (): Promise<void> => {
    try {
      current = (await renewed(options, current)) ?? current;
    } catch (error) {
      logger.error(
        { err: messageOf(error), validUntil: endOf(current.cert).toISOString() },
        'the certificate of this node could not be renewed',
      );
    }
    const leftMs = endOf(current.cert).getTime() - clock.now();
    look(Math.min(retry.mostMs, Math.max(retry.leastMs, leftMs / 20)));
  };
  const look = (leastMs: number): void => {
    if (isClosed) return;
    const wait = renewAtOf(current.cert) - clock.now();
    cancel = clock.after(Math.max(leastMs, Math.min(wait, lookMs)), () =>
      clock.now() < renewAtOf(current.cert) ? look(0) : void attempt(),
    );
  };
  look(0);
  return {
    get current() {
      return current;
    },
    close() {
      isClosed = true;
      cancel();
    },
  };
}

/** The next certificate, written; or one that another process on this data directory has written. Throws. */
async function renewed(options: NodeTlsOptions, current: NodeTls): Promise<NodeTls | undefined> {
  const { dataDir, nodeName, servers, clock, logger, random = Math.random } = options;
  const { renew = renewCertificate } = options;
  const there = readNodeTls(dataDir);
  if (there.cert !== current.cert && clock.now() < renewAtOf(there.cert)) {
    logger.info('the certificate of this node was renewed by another process');
    return there;
  }
  const failures: string[] = [];
  for (const server of shuffled(servers(), random)) {
    try {
      const { ca, certificate: cert } = await renew(server, there, nodeName);
      const file = (name: string): string => join(dataDir, 'pki', name);
      // Whom to trust comes first: a certificate of a new CA is of no use without it.
      if (ca !== there.ca) await writeDurably(file('ca.crt'), ca, 0o644);
      await writeDurably(file('node.crt'), cert, 0o644);
      logger.info(
        { server, validUntil: endOf(cert).toISOString() },
        'the certificate of this node is renewed',
      );
      return { ca, cert, key: there.key };
    } catch (error) {
      failures.push(`${server}: ${messageOf(error)}`);
    }
  }
  throw new Error(expiredText(current.cert, servers(), clock.now()) ?? failures.join('; '));
}

const endOf = (cert: string): Date => new Date(new X509Certificate(cert).validTo);

const renewAtOf = (pem: string): number => renewalOf(new X509Certificate(pem));
