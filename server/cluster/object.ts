/** The object `Cluster/orc`, and what the Node objects say of keys. */
import { clusterName, type Cluster, type ClusterManager, type Node } from '../../api-schemas/index.ts';
import type { NodeRole } from '../../api-schemas/join.ts';
import { ApiError, isAlreadyExists, isNotFound } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { Cache, Registry } from '../../store/types.ts';

/** Annotation of a Node: SHA-256 of its public key (SPKI DER), hex. Who has another key is another machine. */
export const keyAnnotation = 'orc.dev/public-key';

const by = { manager: 'orc-server' } as const;
const ref = { kind: 'Cluster', namespace: '', name: clusterName } as const;

export const generationOf = (cache: Cache, role: NodeRole): number =>
  cache.get('Cluster', '', clusterName)?.spec.tokens?.[role] ?? 1;

/** Where the API of each manager is, this one's included; sorted. */
export const serversOf = (cache: Cache): readonly string[] =>
  Object.values(cache.get('Cluster', '', clusterName)?.status?.managers ?? {})
    .map(({ url }) => url)
    .sort();

/**
 * Makes the object where it is missing, and sets or removes a manager's entry. Entries of managers that are not among
 * `others` go: they were removed while nobody could write it down.
 */
export async function writeManager(
  registry: Registry,
  name: string,
  manager: ClusterManager | undefined,
  more: { readonly others?: readonly string[]; readonly restoredAt?: string } = {},
): Promise<void> {
  const isThere = (other: string): boolean => other !== name && (more.others?.includes(other) ?? true);
  const change = (current: Cluster): Cluster => {
    const before = Object.entries(current.status?.managers ?? {});
    const others = Object.fromEntries(before.filter(([other]) => isThere(other)));
    const restored = more.restoredAt === undefined ? {} : { restoredAt: more.restoredAt };
    const managers = manager === undefined ? others : { ...others, [name]: manager };
    return { ...current, status: { ...current.status, ...restored, managers } };
  };
  for (;;) {
    try {
      await registry.modify<Cluster>(ref, change, by);
      return;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    const fresh: Cluster = {
      apiVersion: 'orc.dev/v1',
      kind: 'Cluster',
      metadata: { name: clusterName },
      spec: {},
    };
    try {
      await registry.create(change(fresh), by);
      return;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

/**
 * Gives a name to the holder of a key: makes the Node, or finds that it was given to the same key before.
 * Throws 409 when another machine has the name.
 */
export async function claimNode(
  registry: Registry,
  name: string,
  digest: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  const node: Node = {
    apiVersion: 'orc.dev/v1',
    kind: 'Node',
    metadata: {
      name,
      annotations: { [keyAnnotation]: digest },
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
    },
    spec: {},
  };
  try {
    await registry.create(node, by);
    return;
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
  }
  await registry.cache.sync();
  const known = registry.cache.get('Node', '', name);
  if (known?.metadata.annotations?.[keyAnnotation] === digest) return;
  throw new ApiError(
    409,
    `a node named ${name} has joined already, with another key: choose another --name, or, if that machine is gone or was set up anew, run \`orc node rm ${name}\` first`,
    { reason: 'AlreadyExists', details: { name, kind: 'Node' } },
  );
}

/** A manager's own node: whoever has the CA's key may be who it is. An earlier machine of that name is told of. */
export async function claimOwnNode(
  registry: Registry,
  name: string,
  digest: string,
  logger: Logger,
): Promise<void> {
  const known = registry.cache.get('Node', '', name);
  if (known === undefined) return claimNode(registry, name, digest);
  const before = known.metadata.annotations?.[keyAnnotation];
  if (before === digest) return;
  if (before !== undefined) {
    logger.warn({ object: `Node/${name}` }, 'the node had another key before: it was set up anew');
  }
  const metadata = (current: Node): Node['metadata'] => ({
    ...current.metadata,
    annotations: { ...current.metadata.annotations, [keyAnnotation]: digest },
  });
  await registry.modify<Node>(
    { kind: 'Node', namespace: '', name },
    (current) => ({ ...current, metadata: metadata(current) }),
    by,
  );
}

/** Why a node may not hold a session; undefined when it may. */
export function refusalOf(cache: Cache, name: string, digest: string | undefined): string | undefined {
  const node = cache.get('Node', '', name);
  if (node === undefined) {
    return `node ${name} is not part of the cluster (it was removed, or never joined): \`orc leave\` there, then \`orc join\`, make it a node again`;
  }
  if (node.metadata.deletionTimestamp !== undefined) return `node ${name} is being removed`;
  if (digest !== undefined && node.metadata.annotations?.[keyAnnotation] === digest) return undefined;
  return `the name ${name} belongs to a machine with another key: join under another name, or run \`orc node rm ${name}\` first`;
}
