/**
 * `cluster.json` in the data directory: what this machine is in its cluster, and how far its joining has come. A
 * directory without it is a machine alone (`orc up`).
 */
import { join } from 'node:path';
import { messageOf } from '../../kit/errors.ts';
import { privateDirectory, readIfThere, writeDurably } from '../../kit/files.ts';
import { CliError } from '../errors.ts';

export interface ManagerAddresses {
  /** `host:port` where the API listens. */
  readonly listen: string;
  /** `host:port` by which other machines reach it. */
  readonly advertise: string;
  /** Of etcd's peers, on the host of `advertise`. */
  readonly peerPort: number;
}

export interface ManagerFile extends ManagerAddresses {
  /**
   * `new`: to be the first member. `joining`: to be added by a server of the cluster, to be started with
   * `initialCluster` once that has happened. `member`: it is one, and its data says of which cluster. `forced`:
   * to be made the only member, in a recovery. `restored`: a member with the data of a backup. `leaving`: to be
   * removed by the others, if it is not yet; the machine becomes a worker.
   */
  readonly etcd: 'new' | 'joining' | 'member' | 'forced' | 'restored' | 'leaving';
  readonly initialCluster?: string;
}

export interface ClusterFile {
  readonly version: 1;
  readonly nodeName: string;
  readonly role: 'manager' | 'worker';
  /** `https://host:port` of managers, as known when this was written. */
  readonly servers: readonly string[];
  readonly manager?: ManagerFile;
  /** Of a worker: where it will be reached when it becomes a manager. */
  readonly asManager?: ManagerAddresses;
  /** It has left: the cluster knows nothing of it any more, and what is here is being removed. */
  readonly hasLeft?: true;
}

const pathOf = (dataDir: string): string => join(dataDir, 'cluster.json');

/** Undefined when there is none. Throws CliError when it cannot be understood, or the machine has left. */
export async function readClusterFile(dataDir: string): Promise<ClusterFile | undefined> {
  const file = await readClusterFileToLeave(dataDir);
  if (file?.hasLeft === true)
    throw new CliError(
      `this machine has left its cluster: \`orc leave\` removes what is still in ${dataDir}`,
    );
  return file;
}

/** The same for who leaves, or has left, but was interrupted before all was removed. */
export async function readClusterFileToLeave(dataDir: string): Promise<ClusterFile | undefined> {
  const path = pathOf(dataDir);
  const text = await readIfThere(path);
  if (text === undefined) return undefined;
  try {
    const file = JSON.parse(text) as ClusterFile;
    if (file.version !== 1) throw new Error(`version ${String(file.version)} is of another orc`);
    if (file.role === 'manager' && file.manager === undefined) throw new Error('a manager without its part');
    return file;
  } catch (error) {
    throw new CliError(
      `${path} cannot be used (${messageOf(error)}): restore it from a backup, or empty ${dataDir} and join again`,
      { cause: error },
    );
  }
}

export async function writeClusterFile(dataDir: string, file: ClusterFile): Promise<void> {
  await privateDirectory(dataDir);
  await writeDurably(pathOf(dataDir), `${JSON.stringify(file, undefined, 2)}\n`, 0o600);
}
