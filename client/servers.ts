/** What a context remembers of its cluster's servers: those that answered, and those that servers tell of. */
import { serversExtension, updateConfig, type KubeConfig } from './config.ts';

/** Old addresses stay at the end, where they cost nothing; a user may have a way to the cluster that it does not know. */
const most = 12;

/** The addresses of a context, the one that answered first. The very array when there is nothing new. Pure. */
export function nextEndpoints(
  known: readonly string[],
  answered: string,
  servers: readonly string[],
): readonly string[] {
  if (known[0] === answered && servers.every((server) => known.includes(server))) return known;
  return [...new Set([answered, ...servers, ...known])].slice(0, most);
}

interface ClusterEntry {
  readonly extensions?: readonly { readonly name: string; readonly extension: unknown }[];
  readonly [field: string]: unknown;
}

/** `config` with these addresses for the context's cluster; all else in it stays. Pure. */
export function withEndpoints(config: KubeConfig, context: string, endpoints: readonly string[]): KubeConfig {
  const [server, ...others] = endpoints;
  const entry = config.contexts?.find(({ name }) => name === context)?.['context'];
  const wanted = (entry as { readonly cluster?: string } | undefined)?.cluster;
  const change = (cluster: ClusterEntry): ClusterEntry => {
    const kept = (cluster.extensions ?? []).filter(({ name }) => name !== serversExtension);
    const own = others.length === 0 ? [] : [{ name: serversExtension, extension: { servers: others } }];
    const { extensions: _old, ...rest } = cluster;
    return { ...rest, server, ...(kept.length + own.length === 0 ? {} : { extensions: [...kept, ...own] }) };
  };
  return {
    ...config,
    clusters: (config.clusters ?? []).map((one) =>
      one.name === wanted ? { ...one, cluster: change((one['cluster'] ?? {}) as ClusterEntry) } : one,
    ),
  };
}

export interface Memory {
  /** To be told of each answer. */
  onServers(answered: string, servers: readonly string[]): void;
  /** What was new is in the file; or could not be written, and is found out again. */
  settled(): Promise<void>;
}

/** Keeps a context's addresses as servers tell them. Writes only what is new. */
export function rememberServers(context: string, endpoints: readonly string[], path: string): Memory {
  let known = endpoints;
  let writing: Promise<void> = Promise.resolve();
  return {
    onServers(answered, servers) {
      const next = nextEndpoints(known, answered, servers);
      if (next === known) return;
      known = next;
      writing = writing
        .then(() => updateConfig((config) => withEndpoints(config, context, next), path))
        .catch(() => undefined);
    },
    settled: () => writing,
  };
}
