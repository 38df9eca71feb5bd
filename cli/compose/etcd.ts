/** The manager's store: on an etcd of its own, alone or a member of the cluster's, or on one of the user's. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatAge } from '../../api-schemas/index.ts';
import type { Pki } from '../../server/pki/index.ts';
import type * as StoreRoom from '../../store/index.ts';
import { systemClock } from '../../kit/clock.ts';
import { CliError } from '../errors.ts';
import { formatAddress, parseAddress, urlOf } from './advertise.ts';
import type { ManagerFile } from './cluster-file.ts';
import type { ManagerOptions, MemberPart } from './manager-options.ts';
import { addMember, promoteMember, type AskOptions } from './member.ts';
import { patiently } from './patience.ts';
import { untilReached } from './reach.ts';

/** What is stopped later, in reverse. */
export type Closers = (() => Promise<unknown>)[];

/**
 * One beat and one election of etcd, for members on several machines: late enough for a busy one, and early enough
 * that writes go on within three seconds of a leader's end. (etcd's own defaults are 100 and 1,000.)
 */
export const memberTiming = { heartbeatMs: 75, electionMs: 750 };

export const hasOwnEtcd = ({ etcdEndpoints = [] }: Pick<ManagerOptions, 'etcdEndpoints'>): boolean =>
  etcdEndpoints.length === 0;

/** The files of etcd and its only client. */
export const etcdTlsOf = ({ trustFile, etcd, etcdClient }: Pki, clientName: string): StoreRoom.EtcdTls => ({
  caFile: trustFile,
  certFile: etcd.certFile,
  keyFile: etcd.keyFile,
  client: { certFile: etcdClient.certFile, keyFile: etcdClient.keyFile, hostname: clientName },
});

export const etcdClientTls = ({ trust, etcdClient }: Pki) => ({
  ca: Buffer.from(trust),
  cert: Buffer.from(etcdClient.cert),
  key: Buffer.from(etcdClient.key),
});

export interface OpenedStore {
  readonly opened: StoreRoom.Store;
  /** Its data was made from a backup, or is what one member had: nodes have not been seen since. */
  readonly isAnew: boolean;
  /** Notes that the member has begun: without its data nobody must begin another cluster by accident. */
  settle(): Promise<void>;
  /** Has our etcd, which restarts for it, and our connection with it go by other certificates. Resolves when it answers. */
  useTls(pki: Pki, signal: AbortSignal, beforeRestart: () => Promise<void>): Promise<void>;
  /** Why etcd does not answer, where that is known. */
  readonly trouble: () => string | undefined;
}

export async function openEtcd(
  options: ManagerOptions,
  pki: Pki,
  clientName: string,
  track: StoreRoom.Track,
  store: typeof StoreRoom,
  closers: Closers,
): Promise<OpenedStore> {
  if (!hasOwnEtcd(options))
    return {
      opened: await openExternal(options, track, store, closers),
      isAnew: false,
      settle: () => Promise.resolve(),
      useTls: () => Promise.resolve(),
      trouble: () => undefined,
    };
  const { dataDir, member, signal } = options;
  const joined = member === undefined ? undefined : await joinMembers(options, member, pki);
  const etcd = await store.superviseEtcd({
    dataDir: join(dataDir, 'etcd'),
    logger: options.logger.child({ part: 'etcd' }),
    signal,
    tls: etcdTlsOf(pki, clientName),
    ...(joined === undefined ? {} : { member: joined.options }),
  });
  closers.push(() => etcd.stop());
  if (joined?.learner !== undefined) await promoteMember(joined.learner, joined.ask);
  const opened = await store.openStore(
    {
      endpoints: etcd.endpoints,
      logger: options.logger.child({ part: 'store' }),
      track,
      tls: etcdClientTls(pki),
    },
    signal,
  );
  closers.push(() => opened.close());
  if (member !== undefined && joined !== undefined) {
    // An address may have changed since the last start.
    await store.announcePeerUrl(opened.connection, joined.options.peerUrl.advertise);
    closers.push(() => store.moveLeader(opened.connection));
  }
  const isAnew = member?.file.etcd === 'forced' || member?.file.etcd === 'restored';
  const settle = async (): Promise<void> => member?.save({ ...withoutInitial(member.file), etcd: 'member' });
  const useTls: OpenedStore['useTls'] = async (next, stop, beforeRestart) => {
    opened.connection.renewTls(etcdClientTls(next));
    // It reads its own certificate for each connection, and whom to trust at its start.
    await etcd.useTls(etcdTlsOf(next, clientName), stop, async () => {
      await beforeRestart();
      await store.moveLeader(opened.connection);
    });
  };
  return { opened, isAnew, settle, useTls, trouble: () => etcd.trouble() };
}

interface Joined {
  readonly options: StoreRoom.MemberOptions;
  /** Id of the member that has no vote yet. */
  readonly learner?: string;
  readonly ask: AskOptions;
}

/** Has this machine added where it is to join, and says how its etcd starts. */
async function joinMembers(options: ManagerOptions, member: MemberPart, pki: Pki): Promise<Joined> {
  const { nodeName, logger, signal, clock = systemClock } = options;
  const { file } = member;
  const { host, port } = parseAddress(file.advertise);
  const peerUrl = peerUrlsOf(file);
  const own = urlOf({ host, port });
  const ask: AskOptions = {
    servers: member.servers.filter((server) => server !== own),
    tls: { ca: pki.trust, cert: pki.admin.cert, key: pki.admin.key },
    logger: logger.child({ part: 'etcd' }),
    clock,
    signal,
    onWait: (message) => options.onWait(message),
  };
  const base = { name: nodeName, peerUrl, ...memberTiming };
  switch (file.etcd) {
    case 'member':
    case 'leaving':
    case 'restored':
      checkData(options.dataDir, nodeName);
      return { options: { ...base, bootstrap: { kind: 'new' } }, ask };
    case 'new':
      return { options: { ...base, bootstrap: { kind: 'new' } }, ask };
    case 'forced':
      return { options: { ...base, bootstrap: { kind: 'force-new' } }, ask };
    case 'joining': {
      if (file.initialCluster === undefined) {
        const peers = { listen: parseAddress(peerUrl.listen), url: peerUrl.advertise };
        await untilReached([{ listen: options.listen, url: own }, peers], pki, ask);
      }
      const added = await addMember(nodeName, peerUrl.advertise, ask);
      const { initialCluster } = added;
      await member.save({ ...file, initialCluster });
      return {
        options: { ...base, bootstrap: { kind: 'join', initialCluster } },
        ask,
        ...(added.member.isLearner ? { learner: added.member.id } : {}),
      };
    }
  }
}

/** A member without its data would begin a cluster of its own, and nobody would notice. */
function checkData(dataDir: string, nodeName: string): void {
  if (existsSync(join(dataDir, 'etcd', 'data'))) return;
  throw new CliError(
    `the etcd data of this manager is gone from ${dataDir}: run \`orc node rm ${nodeName} --force\` on another manager, ` +
      'then `orc leave --force` and `orc join` here; or restore a backup with `orc cluster restore`',
  );
}

/** etcd listens on an address, never on a name. */
export function peerUrlsOf({ listen, advertise, peerPort }: Omit<ManagerFile, 'etcd'>): {
  listen: string;
  advertise: string;
} {
  const at = (host: string): string => `https://${formatAddress({ host, port: peerPort })}`;
  return { listen: at(parseAddress(listen).host), advertise: at(parseAddress(advertise).host) };
}

function withoutInitial({ initialCluster: _initialCluster, ...rest }: ManagerFile): ManagerFile {
  return rest;
}

async function openExternal(
  options: ManagerOptions,
  track: StoreRoom.Track,
  { openStore }: typeof StoreRoom,
  closers: Closers,
): Promise<StoreRoom.Store> {
  const logger = options.logger.child({ part: 'store' });
  const endpoints = options.etcdEndpoints ?? [];
  const read = (path: string | undefined): Buffer | undefined =>
    path === undefined ? undefined : readFileSync(path);
  const files = {
    ca: read(options.etcdCaFile),
    cert: read(options.etcdCertFile),
    key: read(options.etcdKeyFile),
  };
  const tls = Object.fromEntries(Object.entries(files).filter(([, value]) => value !== undefined));
  const opened = await patientlyOpen(options, endpoints, (signal) =>
    openStore({ endpoints, logger, track, ...(endpoints[0]?.startsWith('https:') ? { tls } : {}) }, signal),
  );
  closers.push(() => opened.close());
  return opened;
}

const etcdWaitMs = { everyMs: 5_000, limitMs: 60_000 };

/** An etcd of the user's may be away for a moment; one that stays away is most likely named wrongly. */
function patientlyOpen<T>(
  { clock = systemClock, signal, onWait }: ManagerOptions,
  endpoints: readonly string[],
  open: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const where = endpoints.join(', ');
  return patiently(open, {
    ...etcdWaitMs,
    clock,
    signal,
    onWait: (elapsedMs) => onWait(`waiting for etcd at ${where} (${formatAge(elapsedMs)})`),
    tooLong: (cause) =>
      new CliError(
        `etcd at ${where} could not be read within ${formatAge(etcdWaitMs.limitMs)}: ${cause instanceof Error ? cause.message : String(cause)}`,
        {
          remedy: 'check that it runs, and the addresses and files of --etcd-endpoints, --etcd-ca-file, …',
          cause,
        },
      ),
  });
}
