/** The files of a machine that has joined: what `orc join` writes, step by step, each step safe to repeat. */
import { join as pathJoin } from 'node:path';
import { formatToken, parseToken, type JoinAnswer, type JoinToken } from '../../api-schemas/join.ts';
import { certificatesIn } from '../../kit/certificate.ts';
import { isApiError, messageOf } from '../../kit/errors.ts';
import { privateDirectory, readIfThere, writeDurably } from '../../kit/files.ts';
import { CaMismatch, isConnectionError, joinCluster } from '../../client/index.ts';
import { CliError } from '../errors.ts';
import { writeClusterId } from './cluster-id.ts';
import type { ClusterFile, ManagerAddresses } from './cluster-file.ts';

export interface JoinFlags {
  readonly dataDir: string;
  readonly nodeName: string;
  readonly token: JoinToken;
  /** `https://host:port` of managers, tried one after another. */
  readonly servers: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Where it is reached as a manager, now or when it becomes one. */
  readonly manager: ManagerAddresses;
}

/** Throws CliError for a text that is no token. */
export function readToken(text: string): JoinToken {
  const token = parseToken(text);
  if (token !== undefined) return token;
  throw new CliError(
    'this is no join token: `orc token show worker` (or `manager`) on a manager prints one, with the whole command',
    { exitCode: 2 },
  );
}

/**
 * Joins through the first server that answers, and writes key, certificate, CA and (for a manager) the CA's key.
 * Returns the cluster file to write last: while it is not there, the machine has not joined, and joining again
 * finds its key.
 */
export async function joinThrough(flags: JoinFlags): Promise<ClusterFile> {
  const { dataDir, nodeName, token, labels, manager } = flags;
  const pki = pathJoin(dataDir, 'pki');
  await privateDirectory(pki);
  const file = (name: string): string => pathJoin(pki, name);
  const key = await keyOf(file('node.key'));
  const answer = await firstAnswer(flags.servers, (endpoint) =>
    joinCluster({ endpoint, token: formatToken(token), parsed: token, nodeName, labels, key }),
  );
  const [issuing = answer.ca] = certificatesIn(answer.ca);
  await writeDurably(file('ca.crt'), issuing, 0o644);
  await writeDurably(file('trust.crt'), answer.ca, 0o644);
  if (answer.clusterId !== undefined) await writeClusterId(dataDir, answer.clusterId);
  await writeDurably(file('node.crt'), answer.certificate, 0o644);
  if (answer.caKey !== undefined) await writeDurably(file('ca.key'), answer.caKey, 0o600);
  const servers = [...new Set([...answer.servers, ...flags.servers])];
  return {
    version: 1,
    nodeName,
    role: answer.role,
    servers,
    ...(answer.role === 'manager' ? { manager: { ...manager, etcd: 'joining' } } : { asManager: manager }),
  };
}

/** The node's own key; it stays what it is, so that joining again is joining as the same machine. */
async function keyOf(path: string): Promise<string> {
  const known = await readIfThere(path);
  if (known !== undefined) return known;
  const { generateKey } = await import('../../server/pki/index.ts');
  const key = await generateKey();
  await writeDurably(path, key, 0o600);
  return key;
}

/**
 * Asks one server after another; one that refuses has the last word, one that does not answer has not, nor one whose CA
 * the token does not name: while the CA is replaced some managers are of the old one and some of the new one, and only
 * where it is theirs is a token good. Throws CliError with what each said.
 */
export async function firstAnswer(
  servers: readonly string[],
  ask: (endpoint: string) => Promise<JoinAnswer>,
): Promise<JoinAnswer> {
  const failures: { readonly message: string; readonly isOther: boolean }[] = [];
  for (const endpoint of servers) {
    try {
      return await ask(endpoint);
    } catch (error) {
      if (isApiError(error) && error.code < 500) {
        throw new CliError(`${endpoint} refused: ${error.message}`, { cause: error });
      }
      const isOther = error instanceof CaMismatch;
      if (!isOther && !isApiError(error) && !isConnectionError(error)) {
        throw new CliError(messageOf(error), { cause: error });
      }
      failures.push({ message: isConnectionError(error) ? error.bare : messageOf(error), isOther });
    }
  }
  const said = failures.map(({ message }) => message);
  if (said.length > 0 && failures.every(({ isOther }) => isOther)) throw new CliError(said.join('\n  '));
  const isMixed = failures.some(({ isOther }) => isOther);
  throw new CliError(
    `no manager ${isMixed ? 'that the token is for' : 'of the cluster'} was reached:\n  ${said.join('\n  ')}\n` +
      'Check the address (the port is 6750 unless it was changed), the firewall, and that orc runs there.',
  );
}
