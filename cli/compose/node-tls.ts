/** A node's certificate: read from its files, and renewed in time while the agent runs. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expiredText, renewCertificate } from '../../client/index.ts';
import type { Certificates } from '../../api-schemas/index.ts';
import { endOfCertificate, renewalOf, sameTrust, trustStateOf } from '../../kit/certificate.ts';
import { backoffMs } from '../../kit/backoff.ts';
import type { Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { writeDurably } from '../../kit/files.ts';
import type { Logger } from '../../kit/log.ts';
import { shuffled } from '../../kit/shuffle.ts';
import { CliError } from '../errors.ts';
import { hasManager } from './has-manager.ts';
import { isStepBack } from './step-back.ts';

/** PEM texts. */
export interface NodeTls {
  /** The CAs that are trusted: several while one is replaced by another. */
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
  const trust = existsSync(join(dataDir, 'pki', 'trust.crt')) ? 'trust.crt' : 'ca.crt';
  return { ca: read(trust), cert: read('node.crt'), key: read('node.key') };
}

export interface NodeTlsOptions {
  readonly dataDir: string;
  readonly nodeName: string;
  /** `https://host:port` of all servers that are known now. */
  readonly servers: () => readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with each that is other than the one before. */
  readonly onRenewed?: () => void;
  /** Default: asks the server. */
  readonly renew?: typeof renewCertificate;
  readonly random?: () => number;
}

export interface NodeTlsKeeper {
  /** As it is now; for the next dial. */
  readonly current: NodeTls;
  /**
   * Gets a certificate of that CA, and whom to trust, unless both are so already: from the server at `endpoint`, which
   * said that it has come to that itself. Tries until it is so, or something else is asked for. What would be a step
   * back is not followed.
   */
  follow(wanted: Certificates, endpoint: string): void;
  close(): void;
}

/** A timer does not count the time a machine sleeps, so the clock is looked at again at least this often. */
const lookMs = 6 * 3_600_000;
/** Between attempts: a twentieth of what is left, within these. */
const retry = { leastMs: 1_000, mostMs: 10 * 60_000 };
/** Between looks at what another process writes. */
const rereading = { baseMs: 1_000, maxMs: 30_000 };

/**
 * Keeps the node's certificate current: past two thirds of its life it asks one server after another for the next
 * one, for the same key, and writes it. Sessions that are open stay as they are.
 */
export function keepNodeTls(options: NodeTlsOptions): NodeTlsKeeper {
  const { dataDir, clock, logger } = options;
  let current = readNodeTls(dataDir);
  let isClosed = false;
  let cancel = (): void => undefined;
  let wanted: { readonly certificates: Certificates; readonly endpoint: string } | undefined;
  let working: Promise<void> | undefined;
  let looks = 0;

  const isAsWanted = (tls: NodeTls): boolean =>
    wanted === undefined || sameTrust(trustStateOf(tls.cert, tls.ca), wanted.certificates);
  const isOld = (): boolean => clock.now() >= renewAtOf(current.cert);
  const isDue = (): boolean => isOld() || !isAsWanted(current);
  /** Where there is a manager, it gets both from the others: in another process, which writes them. */
  const readAgain = (): void => {
    const there = readNodeTls(dataDir);
    const isOther = !isSame(there, current);
    current = there;
    if (isOther) options.onRenewed?.();
    looks += 1;
    look(isAsWanted(current) ? retry.leastMs : backoffMs(looks, rereading));
  };
  const attempt = async (): Promise<void> => {
    if (!isOld() && hasManager(dataDir)) return readAgain();
    try {
      const first = wanted === undefined ? [] : [wanted.endpoint];
      const next = await renewed(options, current, first, isAsWanted);
      if (isClosed) return;
      current = next;
      options.onRenewed?.();
    } catch (error) {
      logger.error(
        { err: messageOf(error), validUntil: endOfCertificate(current.cert).toISOString() },
        'the certificate of this node could not be renewed',
      );
    }
    const leftMs = endOfCertificate(current.cert).getTime() - clock.now();
    look(isAsWanted(current) ? Math.min(retry.mostMs, Math.max(retry.leastMs, leftMs / 20)) : retry.leastMs);
  };
  const work = (): void => {
    if (working === undefined) working = attempt().finally(() => (working = undefined));
    else look(retry.leastMs);
  };
  const look = (leastMs: number): void => {
    if (isClosed) return;
    cancel();
    const wait = isAsWanted(current) ? renewAtOf(current.cert) - clock.now() : 0;
    cancel = clock.after(Math.max(leastMs, Math.min(wait, lookMs)), () => (isDue() ? work() : look(0)));
  };
  look(0);
  return {
    get current() {
      return current;
    },
    follow(certificates, endpoint) {
      if (isClosed || isStepBack(certificates, current)) return;
      wanted = { certificates, endpoint };
      looks = 0;
      if (isAsWanted(current)) return;
      logger.info({ issuer: certificates.issuer }, 'the CA is being replaced: a certificate is asked for');
      work();
    },
    close() {
      isClosed = true;
      cancel();
    },
  };
}

/** The next certificate, written; or one that another process on this data directory has written. Throws. */
async function renewed(
  options: NodeTlsOptions,
  current: NodeTls,
  first: readonly string[],
  isAsWanted: (there: NodeTls) => boolean,
): Promise<NodeTls> {
  const { dataDir, nodeName, servers, clock, logger, random = Math.random } = options;
  const { renew = renewCertificate } = options;
  const there = readNodeTls(dataDir);
  if (!isSame(there, current) && clock.now() < renewAtOf(there.cert) && isAsWanted(there)) {
    logger.info('the certificate of this node was renewed by another process');
    return there;
  }
  const failures: string[] = [];
  for (const server of new Set([...first, ...shuffled(servers(), random)])) {
    try {
      const { ca, certificate: cert } = await renew(server, there, nodeName);
      if (isStepBack(trustStateOf(cert, ca), there))
        throw new Error('it issues with an earlier CA than ours');
      const file = (name: string): string => join(dataDir, 'pki', name);
      // Whom to trust comes first: a certificate of a new CA is of no use without it. Where there is a manager, that
      // has it from the others.
      if (ca !== there.ca && !hasManager(dataDir)) await writeDurably(file('trust.crt'), ca, 0o644);
      await writeDurably(file('node.crt'), cert, 0o644);
      logger.info(
        { server, validUntil: endOfCertificate(cert).toISOString() },
        'the certificate of this node is renewed',
      );
      return readNodeTls(dataDir);
    } catch (error) {
      failures.push(`${server}: ${messageOf(error)}`);
    }
  }
  throw new Error(expiredText(current.cert, servers(), clock.now()) ?? failures.join('; '));
}

const isSame = (a: NodeTls, b: NodeTls): boolean => a.cert === b.cert && a.ca === b.ca;

const renewAtOf = (pem: string): number => renewalOf(new X509Certificate(pem));
