/** How the managers of a cluster are, as one of them sees it. */
import type { MembersAnswer } from '../../api-schemas/cluster-api.ts';
import { clusterName, leaseNamespace, serverOfLease, type Cluster } from '../../api-schemas/index.ts';
import type { Client } from '../../client/index.ts';
import { isApiError, isNotFound } from '../../kit/errors.ts';
import { CliError } from '../errors.ts';

/** `Unknown`: there is no quorum, so nobody notices who comes and goes. */
export type ManagerState = 'Leader' | 'Reachable' | 'Unreachable' | 'Unknown';

export interface Seen {
  /** Names of all managers. */
  readonly managers: readonly string[];
  /** Names of those that hold their Lease. */
  readonly alive: ReadonlySet<string>;
  /** Undefined with an etcd of the user's: its members are nobody's nodes. */
  readonly etcd: MembersAnswer | undefined;
}

export function managerStates({ managers, alive, etcd }: Seen): ReadonlyMap<string, ManagerState> {
  const leader = etcd?.members.find(({ id }) => id === etcd.own.leaderId)?.name;
  const isLost = etcd !== undefined && etcd.own.leaderId === undefined;
  const stateOf = (name: string): ManagerState => {
    if (isLost) return 'Unknown';
    if (!alive.has(name)) return 'Unreachable';
    return name === leader ? 'Leader' : 'Reachable';
  };
  return new Map(managers.map((name) => [name, stateOf(name)]));
}

export async function seeManagers(client: Client, signal: AbortSignal): Promise<Seen> {
  const [cluster, leases, etcd] = await Promise.all([
    readCluster(client, signal),
    client.list('Lease', { namespace: leaseNamespace, signal }),
    readMembers(client),
  ]);
  const servers = leases.items.map(({ metadata }) => serverOfLease(metadata.name));
  return {
    managers: Object.keys(cluster?.status?.managers ?? {}).sort(),
    alive: new Set(servers.filter((server) => server !== undefined)),
    etcd,
  };
}

/** Undefined where no server has made it yet. */
export const readCluster = (client: Client, signal: AbortSignal): Promise<Cluster | undefined> =>
  client.get('Cluster', { name: clusterName }, signal).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });

/** Undefined with an etcd of the user's. */
export async function readMembers(client: Client): Promise<MembersAnswer | undefined> {
  try {
    return JSON.parse(await client.raw('GET', '/cluster/v1/members')) as MembersAnswer;
  } catch (error) {
    if (isApiError(error) && error.code === 409) return undefined;
    throw error;
  }
}

/**
 * Takes a manager out of etcd and of the list of managers. One that has never started is found by its `peerUrl`.
 * Throws ApiError 409 when that would lose the quorum.
 */
export async function removeManager(client: Client, name: string, peerUrl?: string): Promise<void> {
  await client.raw('POST', '/cluster/v1/members/remove', JSON.stringify({ name, peerUrl }), {
    'content-type': 'application/json',
  });
}

/** Nothing can be changed now. */
export const noQuorum = (what: string): CliError =>
  new CliError(`${what}: there is no quorum, so nothing can be changed now`, {
    remedy: 'a majority of the managers must run and reach each other: start those that are down',
  });
