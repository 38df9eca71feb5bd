/** Runs this machine as what it is: alone, a manager, or a worker. What `up`, `init` and `join` end in. */
import type { Clock } from '../../kit/clock.ts';
import { expiredText } from '../../client/index.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { note, type Io } from '../io.ts';
import type { ClusterFile } from './cluster-file.ts';
import { writeClusterFile } from './cluster-file.ts';
import { writeContext } from './context.ts';
import { parseListen, type Listen } from './flags.ts';
import { checkListen } from './listen.ts';
import { startManager, type Manager } from './manager.ts';
import type { ManagerOptions, MemberPart } from './manager-options.ts';
import { keepNodeTls } from './node-tls.ts';
import { startWorker, type Worker, type WorkerOptions } from './worker.ts';
import { untilAborted } from './wait.ts';

export type AgentPart = Pick<WorkerOptions, 'runtime' | 'dockerHost'>;

export interface RunContext {
  readonly io: Io;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
}

type EtcdFlags = Pick<
  ManagerOptions,
  'etcdEndpoints' | 'etcdCaFile' | 'etcdCertFile' | 'etcdKeyFile' | 'controllers'
>;

export interface ManagerFlags extends EtcdFlags {
  readonly dataDir: string;
  readonly nodeName: string;
  readonly listen: Listen;
}

export interface ManagerExtras {
  readonly agent?: AgentPart;
  /** What to say once it is up. */
  readonly hint?: (manager: Manager) => string | undefined;
}

/** A server in this process until the signal, with an agent if `agent` says how. Says when it is up. */
export async function runManager(
  { io, signal, clock, logger }: RunContext,
  flags: ManagerFlags,
  file: ClusterFile | undefined,
  { agent, hint }: ManagerExtras,
): Promise<void> {
  const started = clock.now();
  await checkListen(flags.listen);
  const member = file === undefined ? {} : { member: memberPart(flags.dataDir, file) };
  const onWait = (message: string): void => note(io, message);
  const manager = await startManager({ ...flags, ...member, logger, signal, clock, onWait });
  try {
    const context = await writeContext(io, manager);
    manager.onRenewed(() => {
      writeContext(io, manager).catch((error: unknown) =>
        logger.warn({ err: messageOf(error) }, 'the context keeps the old certificate'),
      );
    });
    const worker = agent === undefined ? undefined : await startOwnAgent(manager, flags, agent, logger);
    note(
      io,
      `orc ${agent === undefined ? 'server ' : ''}is up at ${manager.url} (${((clock.now() - started) / 1000).toFixed(1)} s); ${context}`,
    );
    const more = hint?.(manager);
    if (more !== undefined) note(io, more);
    await untilAborted(signal);
    logger.info('stopping; containers run on');
    await worker?.close();
  } finally {
    await manager.close();
  }
}

const startOwnAgent = (
  manager: Manager,
  { dataDir, nodeName }: ManagerFlags,
  agent: AgentPart,
  logger: Logger,
): Promise<Worker> =>
  startWorker({
    ...agent,
    dataDir,
    nodeName,
    role: 'manager',
    endpoints: manager.servers(),
    prefer: manager.url,
    tls: () => {
      const { ca, node } = manager.pki;
      return { ca: ca.cert, cert: node.cert, key: node.key };
    },
    logger,
  });

/** An agent of a cluster, until the signal. */
export async function runWorker(
  { io, signal, clock, logger }: RunContext,
  {
    dataDir,
    nodeName,
    agent,
  }: { readonly dataDir: string; readonly nodeName: string; readonly agent: AgentPart },
  servers: readonly string[],
): Promise<void> {
  let known = (): readonly string[] => servers;
  const keeper = keepNodeTls({ dataDir, nodeName, servers: () => known(), clock, logger });
  try {
    const worker = await startWorker({
      ...agent,
      dataDir,
      nodeName,
      role: 'worker',
      endpoints: servers,
      tls: () => keeper.current,
      logger,
    });
    known = () => worker.servers();
    note(io, `orc agent is up: node ${nodeName}, managers ${servers.join(', ')}`);
    // The containers are looked after all the same.
    const expired = expiredText(keeper.current.cert, servers, clock.now());
    if (expired !== undefined) note(io, expired);
    await untilAborted(signal);
    logger.info('stopping; containers run on');
    await worker.close();
  } finally {
    keeper.close();
  }
}

/** Runs what the file says, listening where it says unless the flag says otherwise now. */
export async function runNode(
  context: RunContext,
  flags: EtcdFlags & AgentPart & { readonly dataDir: string; readonly listen?: string | undefined },
  file: ClusterFile,
  hint?: ManagerExtras['hint'],
): Promise<void> {
  const { nodeName, role, manager, servers } = file;
  const { dataDir, runtime, dockerHost } = flags;
  const agent = { runtime, dockerHost };
  if (role === 'worker' || manager === undefined) {
    return runWorker(context, { dataDir, nodeName, agent }, servers);
  }
  const listen = flags.listen ?? manager.listen;
  const now: ClusterFile = { ...file, manager: { ...manager, listen } };
  return runManager(context, { ...flags, nodeName, listen: parseListen(listen) }, now, {
    agent,
    ...(hint === undefined ? {} : { hint }),
  });
}

function memberPart(dataDir: string, file: ClusterFile): MemberPart {
  if (file.manager === undefined) throw new Error('the file is not of a manager');
  let current = file;
  return {
    file: file.manager,
    servers: file.servers,
    save: async (manager) => {
      current = { ...current, manager };
      await writeClusterFile(dataDir, current);
    },
  };
}
