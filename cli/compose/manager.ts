/**
 * A manager: certificates, etcd (our own, or an external one), the store, the API server with its node gateway,
 * and the controllers. The composition root: opens the doors of `store`, `server` and `controllers`.
 */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { formatAge } from '../../api-schemas/index.ts';
import { systemClock, type Clock } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import type { Pki } from '../../server/pki/index.ts';
import type * as StoreRoom from '../../store/index.ts';
import { CliError } from '../errors.ts';
import { version } from '../version.ts';
import type { Listen } from './flags.ts';
import { listenError } from './listen.ts';
import { patiently } from './patience.ts';

export interface ManagerOptions {
  readonly dataDir: string;
  readonly listen: Listen;
  readonly nodeName: string;
  readonly etcdEndpoints?: readonly string[] | undefined;
  readonly etcdCaFile?: string | undefined;
  readonly etcdCertFile?: string | undefined;
  readonly etcdKeyFile?: string | undefined;
  readonly controllers?: readonly string[] | undefined;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** For the wait for an etcd of the user's. Default: the system's. */
  readonly clock?: Clock;
  /** Told now and then what the start waits for. */
  onWait(message: string): void;
}

export interface Manager {
  readonly url: string;
  /** The certificates as they are now: they are renewed while the manager runs. */
  readonly pki: Pki;
  /** Calls back after each renewal, for what copies certificates elsewhere. */
  onRenewed(listener: (pki: Pki) => void): void;
  /** Resolves to why the manager cannot go on; never rejects. */
  close(): Promise<void>;
}

/** Starts a manager; resolves when the API answers. What had been started is stopped again when a part fails. */
export async function startManager(options: ManagerOptions): Promise<Manager> {
  const { dataDir, listen, logger, nodeName } = options;
  const [
    { ensurePki, keepPki },
    { startServer, createRecorder, createTracker },
    { createGateway },
    { startControllers },
    store,
  ] = await Promise.all([
    import('../../server/pki/index.ts'),
    import('../../server/index.ts'),
    import('../../server/session/index.ts'),
    import('../../controllers/index.ts'),
    import('../../store/index.ts'),
  ]);
  const closers: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of closers.splice(0).reverse()) {
      await step().catch((error: unknown) =>
        logger.warn({ err: messageOf(error) }, 'stopping a part failed'),
      );
    }
  };
  try {
    const ensure = (): Promise<Pki> => ensurePki(dataDir, { hostnames: addressesOf(listen.host), nodeName });
    const pki = await ensure();
    const { opened, trouble } = await openEtcd(options, pki, createTracker(systemClock), store, closers);
    const serverName = nodeName;
    const lease = opened.holdLease(`server-${serverName}`, { identity: serverName });
    closers.push(() => lease.close());
    await lease.ready();
    const { registry } = opened;
    const clock = systemClock;
    const gateway = createGateway({
      registry,
      serverName,
      logger: logger.child({ part: 'gateway' }),
      clock,
      recordEvent: createRecorder({ registry, clock, logger, component: 'gateway' }),
    });
    const controllers = startControllers({
      store: opened,
      logger: logger.child({ part: 'controllers' }),
      identity: serverName,
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
      storeTrouble: trouble,
      storeCounters: () => ({ ...opened.writer.counters }),
    }).catch((error: unknown) => {
      throw listenError(error, listen);
    });
    closers.push(
      () => server.close(),
      () => gateway.close(),
    );
    const listeners: ((pki: Pki) => void)[] = [];
    const keeper = keepPki(pki, {
      ensure,
      // etcd reads its own certificate's file for each connection.
      onRenewed: (renewed) => {
        server.renewTls(serverTls(renewed));
        if (hasOwnEtcd(options)) opened.connection.renewTls(etcdClientTls(renewed));
        for (const listener of listeners) listener(renewed);
      },
      clock,
      logger: logger.child({ part: 'pki' }),
    });
    closers.push(() => Promise.resolve(keeper.close()));
    return {
      url: server.url,
      get pki() {
        return keeper.current;
      },
      onRenewed: (listener) => void listeners.push(listener),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const serverTls = ({ ca, server }: Pki) => ({ ca: ca.cert, cert: server.cert, key: server.key });

const etcdClientTls = ({ ca, etcdClient }: Pki) => ({
  ca: Buffer.from(ca.cert),
  cert: Buffer.from(etcdClient.cert),
  key: Buffer.from(etcdClient.key),
});

const hasOwnEtcd = ({ etcdEndpoints = [] }: ManagerOptions): boolean => etcdEndpoints.length === 0;

interface OpenedStore {
  readonly opened: StoreRoom.Store;
  /** Why etcd does not answer, where that is known. */
  readonly trouble: () => string | undefined;
}

async function openEtcd(
  options: ManagerOptions,
  pki: Pki,
  track: StoreRoom.Track,
  { openStore, superviseEtcd }: typeof StoreRoom,
  closers: (() => Promise<unknown>)[],
): Promise<OpenedStore> {
  const { dataDir, signal } = options;
  const logger = options.logger.child({ part: 'store' });
  const endpoints = options.etcdEndpoints ?? [];
  if (!hasOwnEtcd(options)) {
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
    return { opened, trouble: () => undefined };
  }
  const etcd = await superviseEtcd({
    dataDir: join(dataDir, 'etcd'),
    logger: options.logger.child({ part: 'etcd' }),
    tls: { caFile: pki.ca.certFile, certFile: pki.etcd.certFile, keyFile: pki.etcd.keyFile },
  });
  closers.push(() => etcd.stop());
  const opened = await openStore(
    {
      endpoints: etcd.endpoints,
      logger,
      track,
      tls: etcdClientTls(pki),
    },
    signal,
  );
  closers.push(() => opened.close());
  return { opened, trouble: () => etcd.trouble() };
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

/** Names and addresses that clients may use for a server that listens on `host`. */
function addressesOf(host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host];
  return Object.values(networkInterfaces()).flatMap((each) => (each ?? []).map(({ address }) => address));
}
