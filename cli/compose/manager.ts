/**
 * A manager: certificates, etcd (our own, or an external one), the store, the API server with its node gateway,
 * and the controllers. The composition root: opens the doors of `store`, `server` and `controllers`.
 */
import { createPublicKey } from 'node:crypto';
import { serverLease } from '../../api-schemas/index.ts';
import { trustStateOf } from '../../kit/certificate.ts';
import { systemClock, timestamp } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Pki } from '../../server/pki/index.ts';
import { version } from '../version.ts';
import { addressesOf } from './addresses.ts';
import { ownAddress, parseAddress, urlOf } from './advertise.ts';
import { followCaRotation, managerPkiOf } from './ca-rotation.ts';
import { clusterId } from './cluster-id.ts';
import { hasOwnEtcd, openEtcd, type Closers } from './etcd.ts';
import { leaverOf, untilRemoved, whyNotRetire } from './leave-etcd.ts';
import { listenError } from './listen.ts';
import { sayingWhoIsAwaited } from './majority-wait.ts';
import type { ManagerOptions } from './manager-options.ts';

export interface Manager {
  readonly url: string;
  /** The certificates as they are now: they are renewed while the manager runs. */
  readonly pki: Pki;
  /** `https://host:port` of all managers, this one's first. */
  servers(): readonly string[];
  /** The join token of a role, as it is now. */
  token(role: 'worker' | 'manager'): string;
  /** Calls back after each renewal, for what copies certificates elsewhere. */
  onRenewed(listener: (pki: Pki) => void): void;
  /** Why it cannot cease to be a manager now; undefined when it can. */
  whyNotRetire(): Promise<string | undefined>;
  /**
   * Ceases to be a manager: hands over what it leads and its agents, has the others remove its etcd, which counts until
   * then, and stops. Tells `onWait` why it is not removed yet. May be repeated when `signal` has interrupted it.
   */
  retire(signal: AbortSignal, onWait: (message: string) => void): Promise<void>;
  /** Resolves to why the manager cannot go on; never rejects. */
  close(): Promise<void>;
}

/** Starts a manager; resolves when the API answers. What had been started is stopped again when a part fails. */
export async function startManager(options: ManagerOptions): Promise<Manager> {
  const { dataDir, listen, logger, nodeName } = options;
  const { caSteps, endOf, ensurePki, etcdClientName, keepPki } = await import('../../server/pki/index.ts');
  const { startServer, createRecorder, createTracker } = await import('../../server/index.ts');
  const { createGateway } = await import('../../server/session/index.ts');
  const { createCluster, forgetWhoWasReady } = await import('../../server/cluster/index.ts');
  const { startControllers } = await import('../../controllers/index.ts');
  const store = await import('../../store/index.ts');
  const closers: Closers = [];
  /** All that was started as the n-th part and later, backwards. */
  const closeFrom = async (first: number): Promise<void> => {
    for (const step of closers.splice(first).reverse()) {
      await step().catch((error: unknown) =>
        logger.warn({ err: messageOf(error) }, 'stopping a part failed'),
      );
    }
  };
  const close = (): Promise<void> => closeFrom(0);
  try {
    const ensure = (): Promise<Pki> => ensurePki(dataDir, { hostnames: hostnamesOf(options), nodeName });
    const pki = await ensure();
    const track = createTracker(systemClock);
    const { opened, isAnew, settle, useTls, trouble } = await sayingWhoIsAwaited(options, () =>
      openEtcd(options, pki, etcdClientName, track, store, closers),
    );
    const storeParts = closers.length;
    const serverName = nodeName;
    const ttl = options.member === undefined ? {} : { ttlSeconds: memberTtlSeconds };
    const lease = opened.holdLease(serverLease(serverName), { identity: serverName, ...ttl });
    closers.push(() => lease.close());
    await lease.ready();
    const { registry } = opened;
    const clock = systemClock;
    if (isAnew) await forgetWhoWasReady(registry, clock);
    let current = pki;
    let certificates = trustStateOf(pki.server.cert, pki.trust);
    const since = timestamp(clock);
    const cluster = createCluster({
      registry,
      self: () => ({
        version,
        since,
        sessions: gateway.connected().length,
        certificatesUntil: new Date(endOf(current)).toISOString(),
      }),
      nodeName,
      ca: () => current.ca,
      trust: () => current.trust,
      next: () => current.next,
      clusterId: await clusterId(dataDir, pki.ca.cert),
      ...(hasOwnEtcd(options) ? { etcd: opened.connection } : {}),
      clock,
      logger: logger.child({ part: 'cluster' }),
    });
    const gateway = createGateway({
      registry,
      refusalOf: cluster.refusalOf,
      hasQuorum: () => lease.held,
      serverName,
      logger: logger.child({ part: 'gateway' }),
      clock,
      recordEvent: createRecorder({ registry, clock, logger, component: 'gateway' }),
      servers: cluster.servers,
      certificates: () => certificates,
      peerTls: () => serverTls(current),
    });
    const controllers = startControllers({
      store: opened,
      logger: logger.child({ part: 'controllers' }),
      identity: serverName,
      ...(options.member === undefined ? {} : { leaseTtlSeconds: memberTtlSeconds }),
      ...(options.controllers === undefined ? {} : { only: options.controllers }),
    });
    closers.push(() => controllers.close());
    const server = await startServer({
      registry,
      listen,
      tls: serverTls(pki),
      logger: logger.child({ part: 'api' }),
      clock,
      version,
      sessions: gateway,
      streams: gateway,
      cluster,
      storeTrouble: trouble,
      storeCounters: () => ({ ...opened.writer.counters }),
    }).catch((error: unknown) => {
      throw listenError(error, listen);
    });
    closers.push(
      () => server.close(),
      () => gateway.close(),
    );
    const advertised = options.member?.file.advertise;
    const address =
      advertised === undefined ? await ownAddress(parseAddress(server.url)) : parseAddress(advertised);
    const { host } = address;
    const url = urlOf(address);
    const peer =
      options.member === undefined ? {} : { peerURL: urlOf({ host, port: options.member.file.peerPort }) };
    const own = { url, ...peer, version, since, pki: managerPkiOf(pki) };
    await cluster.announce(createPublicKey(pki.node.key), own, isAnew);
    await settle();
    const listeners: ((pki: Pki) => void)[] = [];
    const stopping = new AbortController();
    const keeper = keepPki(pki, {
      ensure,
      onRenewed: async (renewed) => {
        current = renewed;
        certificates = trustStateOf(renewed.server.cert, renewed.trust);
        server.renewTls(serverTls(renewed));
        for (const listener of listeners) listener(renewed);
        // Agents stay with this server while its etcd restarts: they would only come back.
        const { signal } = stopping;
        await useTls(renewed, signal, () => lease.lasting(restartTtlSeconds, signal)).finally(
          () => void lease.lasting(undefined, signal),
        );
      },
      clock,
      logger: logger.child({ part: 'pki' }),
    });
    const rotation = followCaRotation({
      ...{ registry, nodeName, clock, logger: logger.child({ part: 'pki' }) },
      steps: caSteps(dataDir, clock),
      pki: () => current,
      reload: () => keeper.renewNow(),
    });
    closers.push(() => {
      // What waits for an etcd that does not come back is let go: that is ended only after this.
      stopping.abort(new Error('the manager stops'));
      return rotation.close().finally(() => keeper.close());
    });
    return {
      url,
      get pki() {
        return current;
      },
      servers: () => [url, ...cluster.servers().filter((other) => other !== url)],
      token: cluster.token,
      onRenewed: (listener) => void listeners.push(listener),
      whyNotRetire: () => whyNotRetire(opened, nodeName),
      async retire(signal, onWait) {
        const { member } = options;
        if (member === undefined) throw new Error('a machine alone stays what it is');
        const known = { ...member, servers: cluster.servers() };
        const leaver = leaverOf({ ...options, signal }, known, current);
        // With the last of the store's parts: who leads etcd hands it over.
        await closeFrom(storeParts - 1);
        await untilRemoved(leaver, (message) => {
          onWait(message);
          return true;
        });
        await close();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const serverTls = ({ trust, server }: Pki) => ({ ca: trust, cert: server.cert, key: server.key });

/** How long others believe in this manager while its etcd restarts. */
const restartTtlSeconds = 30;

/** How long a manager that is gone holds on to what it leads, and its agents to it. etcd's least is 2. */
const memberTtlSeconds = 3;

const hostnamesOf = ({ listen, member }: ManagerOptions): string[] =>
  addressesOf(listen.host, member?.file.advertise);
