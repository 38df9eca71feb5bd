/** How a worker becomes a manager, and a manager a worker: the steps around the manager's own start and end. */
import { join } from 'node:path';
import { writeDurably } from '../../kit/files.ts';
import { advertisedAddress, formatAddress, parseAddress, urlOf } from './advertise.ts';
import type { ClusterFile, ManagerAddresses, ManagerFile } from './cluster-file.ts';
import { defaultPort, parseListen } from './flags.ts';
import { forgetManager } from './forget-manager.ts';
import { leaveEtcd } from './leave-etcd.ts';
import { checkListen } from './listen.ts';
import type { Manager } from './manager.ts';
import type { ManagerOptions } from './manager-options.ts';
import { askPromotion, type OwnNodeOptions } from './own-node.ts';
import type { AgentPart, NodeFlags, RunContext } from './run-context.ts';

export interface RoleParts {
  readonly context: RunContext;
  readonly flags: Omit<NodeFlags, keyof AgentPart>;
  /** As it is now; each step that must not be lost is written with `replace` before the next one begins. */
  readonly file: ClusterFile;
  replace(file: ClusterFile): Promise<void>;
  readonly own: OwnNodeOptions;
  /** Says on the Node how it goes. */
  tell(reason: string, message: string): Promise<void>;
}

/** Gets a worker what a manager needs, and notes that it is to join. A repeat finds that noted, and does nothing. */
export async function prepareManager(parts: RoleParts, stop: AbortSignal): Promise<void> {
  const { file, flags, own, context } = parts;
  if (file.role === 'manager') return;
  const addresses = await addressesOf(parts);
  await checkListen(parseListen(addresses.listen));
  await parts.tell('Promoting', 'the node asks for the key of the CA');
  const { ca, caKey, servers } = await askPromotion(own);
  stop.throwIfAborted();
  const pki = join(flags.dataDir, 'pki');
  await writeDurably(join(pki, 'ca.crt'), ca, 0o644);
  await writeDurably(join(pki, 'trust.crt'), ca, 0o644);
  await writeDurably(join(pki, 'ca.key'), caKey, 0o600);
  const { asManager: _, ...rest } = file;
  await parts.replace({ ...rest, role: 'manager', servers, manager: { ...addresses, etcd: 'joining' } });
  context.logger.info('this node becomes a manager');
}

/** Where it will be reached: as was said when it joined, or as for a machine that joins now. */
async function addressesOf({ file: { asManager }, flags, own }: RoleParts): Promise<ManagerAddresses> {
  const listen = flags.listen ?? asManager?.listen ?? `0.0.0.0:${String(defaultPort)}`;
  const towards = own.servers().map((server) => parseAddress(server).host);
  const found =
    asManager?.advertise ??
    formatAddress(await advertisedAddress(undefined, parseListen(listen), { towards }));
  return { listen, advertise: found, peerPort: asManager?.peerPort ?? defaultPort + 1 };
}

/** For the others to answer, when its own etcd has to be started to leave. */
const startMs = 60_000;

/**
 * Takes a manager, or what an earlier process left of it, out of the cluster, and makes the directory a worker's.
 * Throws while the others could not do without it. A repeat goes on where the one before came to its end.
 */
export async function endManager(
  parts: RoleParts,
  manager: Manager | undefined,
  stop: AbortSignal,
): Promise<void> {
  const { file, flags, own, context } = parts;
  const { manager: part, nodeName } = file;
  // It is a worker already: what was left to do is to forget.
  if (part === undefined) return forgetManager(context.io, flags.dataDir);
  const why = part.etcd === 'leaving' ? undefined : await manager?.whyNotRetire();
  if (why !== undefined) throw new Error(why);
  const self = urlOf(parseAddress(part.advertise));
  const servers = own.servers().filter((server) => server !== self);
  stop.throwIfAborted();
  const leaving: ManagerFile = { ...part, etcd: 'leaving' };
  await parts.replace({ ...file, servers, manager: leaving });
  context.logger.info('this node ceases to be a manager');
  await parts.tell('Demoting', 'its etcd leaves the others');
  const onWait = (message: string): void => void parts.tell('Demoting', message);
  if (manager !== undefined) await manager.retire(context.signal, onWait);
  else {
    const member = { file: leaving, servers, save: () => Promise.resolve() };
    const listen = parseListen(part.listen);
    const options: ManagerOptions = { ...context, ...flags, nodeName, listen, member, onWait };
    await leaveEtcd(options, member, startMs);
  }
  const { manager: _, ...rest } = file;
  const { listen, advertise, peerPort } = part;
  await parts.replace({ ...rest, servers, role: 'worker', asManager: { listen, advertise, peerPort } });
  await forgetManager(context.io, flags.dataDir);
}
