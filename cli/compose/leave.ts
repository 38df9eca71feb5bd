/** A machine stops being a node: the steps of `orc leave`, each safe to repeat. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeRefused } from '../../api-schemas/cluster-api.ts';
import { Client, isConnectionError } from '../../client/index.ts';
import { sleep, type Clock } from '../../kit/clock.ts';
import { isApiError, messageOf } from '../../kit/errors.ts';
import { readIfThere } from '../../kit/files.ts';
import type { Logger } from '../../kit/log.ts';
import { CliError } from '../errors.ts';
import { note, type Io } from '../io.ts';
import { writeClusterFile, type ClusterFile } from './cluster-file.ts';
import { dropContext } from './context.ts';
import { parseListen } from './flags.ts';
import { knownServers } from './known-servers.ts';
import { leaveEtcd, onlyManager } from './leave-etcd.ts';
import type { ManagerOptions } from './manager-options.ts';
import { readNodeTls } from './node-tls.ts';
import { clusterId } from './cluster-id.ts';

export interface LeaveOptions {
  readonly io: Io;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly dataDir: string;
  readonly runtime: 'docker' | 'simulated';
  readonly dockerHost: string;
  /** Also where the cluster cannot be told, or ends with it. */
  readonly force: boolean;
  readonly keepContainers: boolean;
}

/** What the cluster made in a data directory, in the order in which it goes. */
const parts = ['etcd', 'agent', 'run', 'pki', 'cluster.json'] as const;

/** Resolves with what has been done, in words. Throws CliError before anything is removed here. */
export async function leave(options: LeaveOptions, file: ClusterFile): Promise<string> {
  const { io, dataDir, keepContainers, force } = options;
  const engine = keepContainers ? undefined : await openEngine(options, file.nodeName);
  if (file.hasLeft !== true) {
    await leaveCluster(options, file).catch((error: unknown) => {
      if (!force) throw error;
      note(io, `the cluster was not told: ${messageOf(error)}`);
      note(io, `run \`orc node rm ${file.nodeName}\` there, if it goes on without this machine`);
    });
    await writeClusterFile(dataDir, { ...file, hasLeft: true });
  }
  const containers = engine === undefined ? undefined : await engine.clear();
  const { endLeftOver } = await import('../../store/index.ts');
  await endLeftOver(join(dataDir, 'etcd'), options.clock);
  // Before the key goes that tells which it is.
  await dropContext(io, dataDir);
  for (const part of parts) await rm(join(dataDir, part), { recursive: true, force: true });
  const what =
    containers === undefined ? 'its containers run on' : `${String(containers)} containers removed`;
  return `${file.nodeName} has left the cluster; ${what}`;
}

interface EngineToClear {
  clear(): Promise<number>;
}

/** Undefined where there is nothing of an engine's to clear: the machine never had a certificate. */
async function openEngine(options: LeaveOptions, nodeName: string): Promise<EngineToClear | undefined> {
  const { dataDir, runtime: kind, dockerHost, logger, clock } = options;
  const ca = await readIfThere(join(dataDir, 'pki', 'ca.crt'));
  if (ca === undefined) return undefined;
  const agent = await import('../../agent/index.ts');

  const owner = { cluster: await clusterId(dataDir, ca), nodeName };
  const runtime =
    kind === 'simulated'
      ? agent.createSimulatedRuntime({ nodeName, clock })
      : agent.createDockerRuntime({ address: dockerHost, owner });
  await runtime.info().catch((error: unknown) => {
    throw new CliError(`the engine does not answer: ${messageOf(error)}`, {
      remedy: 'start it, so that its containers can be removed; or leave them with --keep-containers',
      cause: error,
    });
  });
  const ingress = kind === 'docker';
  return {
    clear: () => agent.clearNode({ runtime, owner, dataDir: join(dataDir, 'agent'), ingress, logger }),
  };
}

async function leaveCluster(options: LeaveOptions, file: ClusterFile): Promise<void> {
  const servers = await knownServers(options.dataDir, file);
  const { manager } = file;
  if (file.role === 'manager' && manager !== undefined) {
    if (manager.etcd === 'new') throw onlyManager();
    const others = servers.filter((server) => server !== `https://${manager.advertise}`);
    const left = await leaveAsManager(options, { ...file, servers: others, manager });
    return deleteNode(options, file.nodeName, left);
  }
  await deleteNode(options, file.nodeName, servers);
}

async function leaveAsManager(
  { dataDir, io, signal, clock, logger, force }: LeaveOptions,
  { nodeName, servers, manager }: Required<Pick<ClusterFile, 'nodeName' | 'servers' | 'manager'>>,
): Promise<readonly string[]> {
  const member = { file: manager, servers, save: () => Promise.resolve() };
  const onWait = (message: string): void => note(io, message);
  const listen = parseListen(manager.listen);
  const options: ManagerOptions = { dataDir, nodeName, listen, member, logger, signal, clock, onWait };
  return leaveEtcd(options, member, force ? 15_000 : 60_000);
}

/** A leader of etcd is elected within seconds, also after this manager has left. */
const patienceMs = 15_000;
const againMs = 500;

/** With the node's own certificate. A node that is none any more, or has lost its name to another machine, has left. */
async function deleteNode(
  { dataDir, clock, signal, force }: LeaveOptions,
  name: string,
  servers: readonly string[],
): Promise<void> {
  const client = new Client({ endpoints: servers, tls: readNodeTls(dataDir), requestTimeoutMs: 10_000 });
  const until = clock.now() + (force ? 0 : patienceMs);
  try {
    for (;;) {
      const error = await client.delete('Node', { name }).then(() => undefined, errorOf);
      if (error === undefined || isApiError(error, 'NotFound') || isApiError(error, nodeRefused)) return;
      if (!isAway(error) || clock.now() >= until) throw notTold(error);
      await sleep(clock, againMs, signal);
    }
  } finally {
    client.close();
  }
}

const errorOf = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
const isAway = (error: unknown): boolean =>
  isConnectionError(error) || (isApiError(error) && error.code >= 500);

const notTold = (cause: unknown): CliError =>
  new CliError(`the cluster cannot be told: ${messageOf(cause)}`, {
    remedy: isAway(cause)
      ? 'try again when a manager is reached; or leave with --force, and run `orc node rm` there'
      : 'leave with --force, and run `orc node rm` on a manager',
    cause,
  });
