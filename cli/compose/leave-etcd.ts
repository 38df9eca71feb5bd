/** How a manager's etcd leaves the cluster: another manager removes it, and it runs for as long as its vote counts. */
import { clusterName, formatAge, leaseNamespace, serverLease } from '../../api-schemas/index.ts';
import { Client, isConnectionError } from '../../client/index.ts';
import { systemClock, sleep } from '../../kit/clock.ts';
import { isApiError, messageOf } from '../../kit/errors.ts';
import type { Pki } from '../../server/pki/index.ts';
import type { Store } from '../../store/index.ts';
import { whyNotSpared } from '../cluster/quorum.ts';
import { CliError } from '../errors.ts';
import { addressesOf } from './addresses.ts';
import { parseAddress, urlOf } from './advertise.ts';
import { openEtcd, type Closers } from './etcd.ts';
import type { ManagerOptions, MemberPart } from './manager-options.ts';
import type { AskOptions } from './member.ts';
import { patiently } from './patience.ts';

/** `refused`: too few of the others are connected. `unreached`: none answered, or there is no quorum now. */
export type Outcome =
  { readonly kind: 'removed' } | { readonly kind: 'refused' | 'unreached'; readonly message: string };

export interface Leaver extends AskOptions {
  readonly nodeName: string;
  /** Tells it from others where it has no name yet. */
  readonly peerUrl: string;
}

const askTimeoutMs = 10_000;
const againMs = 1_000;

/** Asks the others once. May be repeated: who is no member any more is removed. Throws when it is not allowed. */
export async function askRemoval({ servers, tls, nodeName: name, peerUrl }: Leaver): Promise<Outcome> {
  if (servers.length === 0) return { kind: 'unreached', message: 'no other manager is known' };
  const client = new Client({ endpoints: servers, tls, requestTimeoutMs: askTimeoutMs });
  try {
    await client.raw('POST', '/cluster/v1/members/remove', JSON.stringify({ name, peerUrl }), {
      'content-type': 'application/json',
    });
    return { kind: 'removed' };
  } catch (error) {
    if (isApiError(error) && error.code === 409) return { kind: 'refused', message: error.message };
    const isPassing = isConnectionError(error) || (isApiError(error) && error.code >= 429);
    if (isPassing) return { kind: 'unreached', message: messageOf(error) };
    throw error;
  } finally {
    client.close();
  }
}

/**
 * Asks again until it is removed. `onWait` is told why it is not yet; what it returns says whether to go on. Resolves
 * with the last outcome.
 */
export async function untilRemoved(leaver: Leaver, onWait: (message: string) => boolean): Promise<Outcome> {
  for (;;) {
    const outcome = await askRemoval(leaver);
    if (outcome.kind === 'removed' || !onWait(outcome.message)) return outcome;
    await sleep(leaver.clock, againMs, leaver.signal);
  }
}

export const leaverOf = (
  { nodeName, logger, signal, clock = systemClock }: ManagerOptions,
  { file, servers }: Pick<MemberPart, 'file' | 'servers'>,
  pki: Pki,
): Leaver => ({
  nodeName,
  peerUrl: urlOf({ host: parseAddress(file.advertise).host, port: file.peerPort }),
  servers: servers.filter((server) => server !== urlOf(parseAddress(file.advertise))),
  tls: { ca: pki.trust, cert: pki.admin.cert, key: pki.admin.key },
  logger: logger.child({ part: 'etcd' }),
  clock,
  signal,
});

/** The others must have been connected for five seconds before etcd lets one go. */
const patienceMs = 20_000;

/**
 * Takes the etcd of a manager that does not run out of the cluster. Where the others are a majority without it, it is
 * not even started. Resolves with the addresses of the others. Throws CliError when it is the only one, the others
 * would not be a majority, or they are not reached within `startMs`.
 */
export async function leaveEtcd(
  options: ManagerOptions,
  member: MemberPart,
  startMs: number,
): Promise<readonly string[]> {
  const { signal, clock = systemClock, onWait } = options;
  const { ensurePki, etcdClientName } = await import('../../server/pki/index.ts');
  const { dataDir, nodeName, listen } = options;
  const pki = await ensurePki(dataDir, {
    hostnames: addressesOf(listen.host, member.file.advertise),
    nodeName,
  });
  const leaver = leaverOf(options, member, pki);
  const first = await askRemoval(leaver);
  if (first.kind === 'removed') return leaver.servers;
  onWait('its vote counts: etcd is started to leave');
  const store = await import('../../store/index.ts');
  const closers: Closers = [];
  try {
    const { opened } = await patiently(
      (starting) =>
        openEtcd(
          { ...options, member, signal: starting },
          pki,
          etcdClientName,
          (_, next) => next,
          store,
          closers,
        ),
      {
        clock,
        signal,
        everyMs: 10_000,
        limitMs: startMs,
        onWait: (elapsedMs) => onWait(waitText(nodeName, elapsedMs, startMs)),
        tooLong: (cause) =>
          new CliError('the other managers were not reached, and without them there is no quorum', {
            remedy: `start those that are down, then leave again; if they do not come back, or have another CA by now: ${forced(nodeName)}`,
            exitCode: 3,
            cause,
          }),
      },
    );
    if ((await store.listMembers(opened.connection)).length === 1) throw onlyManager();
    await store.moveLeader(opened.connection);
    const managers = opened.cache.get('Cluster', '', clusterName)?.status?.managers ?? {};
    const urls = Object.values(managers).map(({ url }) => url);
    const own = urlOf(parseAddress(member.file.advertise));
    const servers = [...new Set([...urls, ...leaver.servers])].filter((url) => url !== own);
    const until = clock.now() + patienceMs;
    const last = await untilRemoved({ ...leaver, servers }, () => clock.now() < until);
    if (last.kind !== 'removed') throw new CliError(last.message);
    return servers;
  } catch (error) {
    // What was asked at first may have come to pass as soon as its vote was there.
    if (signal.aborted || (await askRemoval(leaver)).kind !== 'removed') throw error;
    return leaver.servers;
  } finally {
    for (const close of closers.reverse()) await close().catch(() => undefined);
  }
}

/** Pure. */
export const waitText = (nodeName: string, elapsedMs: number, limitMs: number): string =>
  `waiting for the other managers (${formatAge(elapsedMs)} of ${formatAge(limitMs)}): a majority of them must let it go. ` +
  `If they do not come back, or have another CA by now: ${forced(nodeName)}`;

const forced = (nodeName: string): string =>
  `\`orc leave --force\` here, and \`orc node rm ${nodeName}\` on a manager that goes on`;

/** Why the member of that name had better stay; undefined when it can be spared. Works through its own store. */
export async function whyNotRetire(
  { connection, cache }: Pick<Store, 'connection' | 'cache'>,
  nodeName: string,
): Promise<string | undefined> {
  const { listMembers } = await import('../../store/index.ts');
  const voters = (await listMembers(connection)).filter(({ isLearner }) => !isLearner);
  const isAlive = (name: string): boolean =>
    cache.get('Lease', leaseNamespace, serverLease(name)) !== undefined;
  return whyNotSpared(
    nodeName,
    voters.map(({ name }) => ({ name, isAlive: isAlive(name) })),
  );
}

export const onlyManager = (): CliError =>
  new CliError('this is the only manager: the cluster ends with it', {
    remedy: 'make another node a manager first (`orc node promote NAME`); or end the cluster with --force',
  });
