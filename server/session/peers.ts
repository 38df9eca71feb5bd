/** The servers of the cluster, as the store knows them. */
import { clusterName, leaseNamespace, serverLease } from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';

/** A server holds its Lease while it lives. */
export const isServerAlive = (cache: Cache, name: string): boolean =>
  cache.get('Lease', leaseNamespace, serverLease(name)) !== undefined;

/** Where the API of a server is; undefined when it is none of the managers. */
export const urlOfServer = (cache: Cache, name: string): string | undefined =>
  cache.get('Cluster', '', clusterName)?.status?.managers?.[name]?.url;

/** Names of the servers that are alive and can be dialled. */
export const liveServers = (cache: Cache): readonly string[] =>
  Object.keys(cache.get('Cluster', '', clusterName)?.status?.managers ?? {}).filter((name) =>
    isServerAlive(cache, name),
  );

/** How many sessions each of the servers holds, by what the Node objects say. */
export function sessionsPerServer(cache: Cache, servers: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map(servers.map((name) => [name, 0]));
  for (const { status } of cache.list('Node')) {
    const server = status?.session?.server ?? '';
    const count = counts.get(server);
    if (count !== undefined) counts.set(server, count + 1);
  }
  return counts;
}

const wildcards = new Set(['0.0.0.0', '[::]']);

/** Addresses that others can dial: a server that listens everywhere and was told no address of its own has none. */
export const dialable = (urls: readonly string[]): readonly string[] =>
  urls.filter((url) => URL.canParse(url) && !wildcards.has(new URL(url).hostname));
