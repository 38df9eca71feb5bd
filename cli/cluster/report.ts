/** What `orc cluster status` knows: the objects as one server has them, and what each manager says of itself. */
import type { ServerStatus } from '../../api-schemas/cluster-api.ts';
import {
  clusterName,
  leaseNamespace,
  type Cluster,
  type ClusterManager,
  type KindName,
  type Lease,
  type Node,
  type ObjOf,
} from '../../api-schemas/index.ts';
import { Client, isConnectionError, pathOf } from '../../client/index.ts';
import type { Clock } from '../../kit/clock.ts';
import { isNotFound, messageOf } from '../../kit/errors.ts';

export interface ManagerReport {
  readonly name: string;
  readonly url: string;
  /** Absent: it was not reached. */
  readonly status?: ServerStatus;
  /** Why it was not. */
  readonly problem?: string;
  /** By how much its clock is ahead of ours, in milliseconds; as well as can be told over the network. */
  readonly clockOffsetMs?: number;
}

export interface Report {
  readonly cluster: Cluster | undefined;
  readonly managers: readonly ManagerReport[];
  readonly nodes: readonly Node[];
  /** Who leads each controller, by its name. */
  readonly leaders: Readonly<Record<string, string>>;
  /** By our clock, in milliseconds since the epoch. */
  readonly nowMs: number;
}

/** A manager that does not answer in time is not reached. */
const askMs = 2_000;
const controllerPrefix = 'controller-';

export async function gather(client: Client, clock: Clock): Promise<Report> {
  const [cluster, nodes, leases] = await Promise.all([
    atHand(client, 'Cluster', { name: clusterName }),
    listAtHand(client, 'Node'),
    listAtHand(client, 'Lease', leaseNamespace),
  ]);
  const known = Object.entries(cluster?.status?.managers ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const managers = await Promise.all(
    known.map(([name, manager]) => askManager(client, name, urlOf(manager, known.length, client), clock)),
  );
  return { cluster, managers, nodes, leaders: leadersOf(leases), nowMs: clock.now() };
}

/** A machine alone may listen everywhere and know no address of its own: it is where we have reached it. */
function urlOf({ url }: ClusterManager, managers: number, client: Client): string {
  const isAnywhere = /^https:\/\/(0\.0\.0\.0|\[::\])(:|$)/.test(url);
  return isAnywhere && managers === 1 ? client.transport.endpoint : url;
}

function leadersOf(leases: readonly Lease[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    leases
      .filter(({ metadata }) => metadata.name.startsWith(controllerPrefix))
      .map(({ metadata, spec }) => [metadata.name.slice(controllerPrefix.length), spec.holderIdentity ?? '']),
  );
}

async function askManager(known: Client, name: string, url: string, clock: Clock): Promise<ManagerReport> {
  const client = new Client({ endpoints: [url], tls: known.transport.tls });
  const over = new AbortController();
  const cancel = clock.after(askMs, () => over.abort(new Error('no answer within 2 s')));
  const before = clock.now();
  try {
    const path = '/cluster/v1/status';
    const status = (await client.transport.json({ path, signal: over.signal })) as ServerStatus;
    const clockOffsetMs = Math.round(Date.parse(status.now) - (before + clock.now()) / 2);
    return { name, url, status, clockOffsetMs };
  } catch (error) {
    // What a connection error advises is for who meant to reach this server.
    return { name, url, problem: messageOf(isConnectionError(error) ? error.cause : error) };
  } finally {
    cancel();
    client.close();
  }
}

/** As the server has it at hand: without a quorum nobody knows better, and waiting does not help. */
async function atHand<K extends KindName>(
  { transport }: Client,
  kind: K,
  ref: { readonly name: string },
): Promise<ObjOf<K> | undefined> {
  try {
    const query = { resourceVersion: '0' };
    return (await transport.json({ path: pathOf(kind, ref), query })) as ObjOf<K>;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function listAtHand<K extends KindName>(
  { transport }: Client,
  kind: K,
  namespace?: string,
): Promise<readonly ObjOf<K>[]> {
  const query = { resourceVersion: '0' };
  const list = await transport.json({ path: pathOf(kind, { namespace }), query });
  return (list as { readonly items: readonly ObjOf<K>[] }).items;
}
