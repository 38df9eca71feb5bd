/** Runs this machine where it is no node of a cluster of several: alone; or a server, or an agent, by itself. */
import type { NodeRole } from '../../api-schemas/join.ts';
import { expiredText } from '../../client/index.ts';
import type { Logger } from '../../kit/log.ts';
import { note } from '../io.ts';
import { readClusterFileToLeave } from './cluster-file.ts';
import { keepContext } from './context.ts';
import type { Listen } from './flags.ts';
import { forgetManager } from './forget-manager.ts';
import { hasManager } from './has-manager.ts';
import { checkListen } from './listen.ts';
import { startManager, type Manager } from './manager.ts';
import { nodeTlsOf } from './manager-tls.ts';
import type { MemberPart } from './manager-options.ts';
import type { AgentPart, EtcdFlags, RunContext } from './run-context.ts';
import { keepNodeTls } from './node-tls.ts';
import { startWorker, type Worker } from './worker.ts';
import { untilAborted } from './wait.ts';

export interface ManagerFlags extends EtcdFlags {
  readonly dataDir: string;
  readonly nodeName: string;
  readonly listen: Listen;
}

/**
 * A server in this process until the signal, or for as long as `stay` says, with an agent if `agent` says how. Says
 * when it is up.
 */
export async function runManager(
  { io, signal, clock, logger }: RunContext,
  flags: ManagerFlags & { readonly member?: MemberPart },
  agent?: AgentPart,
  stay: (manager: Manager) => Promise<void> = () => untilAborted(signal),
): Promise<void> {
  const started = clock.now();
  await checkListen(flags.listen);
  const onWait = (message: string): void => note(io, message);
  const manager = await startManager({ ...flags, logger, signal, clock, onWait });
  try {
    const context = await keepContext(io, manager, logger);
    const worker = agent === undefined ? undefined : await startOwnAgent(manager, flags, agent, logger);
    manager.onRenewed(() => worker?.renewed());
    note(
      io,
      `orc ${agent === undefined ? 'server ' : ''}is up at ${manager.url} (${((clock.now() - started) / 1000).toFixed(1)} s); ${context}`,
    );
    await stay(manager);
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
    tls: () => nodeTlsOf(manager.pki),
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
  // An `orc server` that was killed as it ended may have left the key of the CA on what is a worker by now.
  if ((await readClusterFileToLeave(dataDir))?.role === 'worker') await forgetManager(io, dataDir);
  let known = (): readonly string[] => servers;
  let onRenewed = (): void => undefined;
  const keeper = keepNodeTls({
    ...{ dataDir, nodeName, clock, logger },
    servers: () => known(),
    onRenewed: () => onRenewed(),
  });
  try {
    const worker = await startWorker({
      ...agent,
      dataDir,
      nodeName,
      role: () => roleIn(dataDir),
      endpoints: servers,
      tls: () => keeper.current,
      onCertificates: (certificates, endpoint) => keeper.follow(certificates, endpoint),
      logger,
    });
    known = () => worker.servers();
    onRenewed = () => worker.renewed();
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

/** Of a machine whose server is another process. */
const roleIn = (dataDir: string): NodeRole => (hasManager(dataDir) ? 'manager' : 'worker');
