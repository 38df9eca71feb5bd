/** Makes a manager's data directory from a backup, or from what the last member has. Nothing runs meanwhile. */
import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { BackupHead } from '../../server/cluster/index.ts';
import { messageOf } from '../../kit/errors.ts';
import { privateDirectory, writeDurably } from '../../kit/files.ts';
import type { Logger } from '../../kit/log.ts';
import { firstLine, SealError, unseal } from '../../kit/sealed.ts';
import { CliError } from '../errors.ts';
import { parseAddress, urlOf } from './advertise.ts';
import { readClusterFile, writeClusterFile, type ManagerFile } from './cluster-file.ts';
import { addressesOf } from './addresses.ts';
import { writeClusterId } from './cluster-id.ts';
import { etcdTlsOf, memberTiming, peerUrlsOf } from './etcd.ts';

export interface RestoreOptions {
  readonly file: string;
  readonly passphrase: string;
  readonly dataDir: string;
  readonly nodeName: string;
  readonly manager: Omit<ManagerFile, 'etcd'>;
  readonly logger: Logger;
}

export interface Restored {
  readonly createdAt: string;
  readonly keys: number;
}

const maxHeadBytes = 64 * 1024;

/**
 * Restores into a directory that has neither a cluster, a CA nor a store. The cluster file is written last: a restore
 * that was cut short is repeated after its leftovers were removed, and the message says which.
 */
export async function restoreManager(options: RestoreOptions): Promise<Restored> {
  const { file, passphrase, dataDir, nodeName, manager, logger } = options;
  const taken = ['cluster.json', 'pki/ca.key', 'etcd'].find((name) => existsSync(join(dataDir, name)));
  if (taken !== undefined) {
    throw new CliError(
      `${join(dataDir, taken)} is there already: a backup is restored into a directory of its own, or after that was moved away`,
    );
  }
  const { ensurePki, etcdClientName } = await import('../../server/pki/index.ts');
  const { restoreEtcd } = await import('../../store/index.ts');
  try {
    const head = await readHead(file, passphrase);
    const pkiDir = join(dataDir, 'pki');
    await privateDirectory(dataDir);
    await privateDirectory(pkiDir);
    await writeDurably(join(pkiDir, 'ca.key'), head.ca.key, 0o600);
    await writeDurably(join(pkiDir, 'ca.crt'), head.ca.cert, 0o644);
    if (head.clusterId !== undefined) await writeClusterId(dataDir, head.clusterId);
    const listen = parseAddress(manager.listen);
    const pki = await ensurePki(dataDir, {
      nodeName,
      hostnames: addressesOf(listen.host, manager.advertise),
    });
    const summary = await restoreEtcd({
      dataDir: join(dataDir, 'etcd'),
      logger,
      tls: etcdTlsOf(pki, etcdClientName),
      member: { name: nodeName, peerUrl: peerUrlsOf(manager), ...memberTiming },
      open: () => storeOf(file, passphrase),
    });
    const servers = [urlOf(parseAddress(manager.advertise))];
    await writeClusterFile(dataDir, {
      version: 1,
      nodeName,
      role: 'manager',
      servers,
      manager: { ...manager, etcd: 'restored' },
    });
    return { createdAt: head.createdAt, keys: summary.keys };
  } catch (error) {
    if (error instanceof SealError || (error as Error).name === 'BackupError') {
      throw new CliError(`${file} cannot be restored: ${messageOf(error)}`, { cause: error });
    }
    throw error;
  }
}

async function readHead(file: string, passphrase: string): Promise<BackupHead> {
  const { line } = await firstLine(unseal(createReadStream(file), passphrase), maxHeadBytes);
  const head = JSON.parse(line.toString('utf8')) as BackupHead;
  if (head.format !== 'orc-backup' || head.version !== 1) {
    throw new CliError(`${file} is a backup of another version of orc`);
  }
  return head;
}

async function* storeOf(file: string, passphrase: string): AsyncGenerator<Uint8Array> {
  const { rest } = await firstLine(unseal(createReadStream(file), passphrase), maxHeadBytes);
  yield* rest;
}

/** Lets the next start of this manager make a cluster of its etcd member alone. */
export async function recoverManager(dataDir: string): Promise<string> {
  const file = await readClusterFile(dataDir);
  if (file?.manager === undefined) {
    throw new CliError(`${dataDir} is not of a manager of a cluster: recover on a machine that was one`);
  }
  if (!existsSync(join(dataDir, 'etcd', 'data'))) {
    throw new CliError(
      `the etcd data is gone from ${dataDir}: restore a backup with \`orc cluster restore\``,
    );
  }
  await writeClusterFile(dataDir, { ...file, manager: { ...file.manager, etcd: 'forced' } });
  return file.nodeName;
}
