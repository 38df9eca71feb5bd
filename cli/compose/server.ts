/**
 * A server of a cluster by itself, with its agent in another process or none. It follows its Node, as `orc up` does;
 * but a server alone cannot turn into a worker: it leaves etcd, makes the directory a worker's, and ends.
 */
import type { NodeRole } from '../../api-schemas/join.ts';
import { backoffMs } from '../../kit/backoff.ts';
import { sleep } from '../../kit/clock.ts';
import { messageOf } from '../../kit/errors.ts';
import { noServerHere } from '../command.ts';
import { CliError } from '../errors.ts';
import { note } from '../io.ts';
import { parseAddress, urlOf } from './advertise.ts';
import { writeClusterFile, type ClusterFile, type ManagerFile } from './cluster-file.ts';
import { forgetManager } from './forget-manager.ts';
import type { Manager } from './manager.ts';
import { nodeTlsOf } from './manager-tls.ts';
import { readNodeTls } from './node-tls.ts';
import { runManager, type ManagerFlags } from './node.ts';
import { followOwnNode, tellRole, type OwnNodeOptions } from './own-node.ts';
import { endManager } from './role-change.ts';
import type { RunContext } from './run-context.ts';
import { untilAborted } from './wait.ts';

const retry = { baseMs: 1_000, maxMs: 30_000 };

/** Until the signal. Throws CliError, with a code that no unit starts again, once the machine is a worker. */
export async function runServer(context: RunContext, flags: ManagerFlags, file: ClusterFile): Promise<void> {
  const { manager: part, servers, nodeName } = file;
  if (part === undefined) {
    // An earlier process may have been killed when it had written what the machine is, and not gone on.
    await forgetManager(context.io, flags.dataDir);
    throw isWorker(nodeName, flags.dataDir);
  }
  let current = file;
  const replace = async (next: ClusterFile): Promise<void> => {
    await writeClusterFile(flags.dataDir, next);
    current = next;
  };
  const stay = (manager?: Manager): Promise<void> =>
    untilWorker({ context, flags, file: () => current, replace, manager });
  // It was begun to leave: that goes on, without a server.
  if (part.etcd === 'leaving') return stay();
  const save = (manager: ManagerFile): Promise<void> => replace({ ...current, manager });
  await runManager(context, { ...flags, member: { file: part, servers, save } }, undefined, stay);
}

interface Served {
  readonly context: RunContext;
  readonly flags: ManagerFlags;
  /** As it is now. */
  readonly file: () => ClusterFile;
  replace(file: ClusterFile): Promise<void>;
  /** Undefined: it is leaving, and an earlier process was it. */
  readonly manager: Manager | undefined;
}

/** Throws CliError once the machine is a worker; resolves at the end of all. */
async function untilWorker(served: Served): Promise<void> {
  const { context, flags, file } = served;
  const own = ownNode(served);
  const wish = followRole(own);
  const isLeaving = (): boolean => file().manager?.etcd === 'leaving';
  while (!context.signal.aborted) {
    if (!isLeaving()) await wish.untilWorker();
    // What was begun to end is ended first, whatever the Node says by now.
    await endServer(served, own, isLeaving() ? context.signal : wish.stop());
    if (file().role === 'worker') throw isWorker(file().nodeName, flags.dataDir);
    if (!isLeaving() && !context.signal.aborted)
      await tellRole(own, { applied: true, reason: 'IsManager', message: '' });
  }
}

/** Tries again until it is done, or is not to be done any more. Says on the Node how it goes. */
async function endServer(
  { context, flags, file, replace, manager }: Served,
  own: OwnNodeOptions,
  notWanted: AbortSignal,
): Promise<void> {
  const { signal, clock, logger, io } = context;
  const stop = AbortSignal.any([signal, notWanted]);
  const tell = (reason: string, message: string): Promise<void> =>
    tellRole(own, { applied: false, reason, message });
  for (let failures = 1; !stop.aborted; failures++) {
    try {
      const parts = { context, flags: { ...flags, listen: undefined }, file: file(), replace, own, tell };
      await endManager(parts, manager, stop);
      return await tellRole(own, { applied: true, reason: 'IsWorker', message: 'its server has ended' });
    } catch (error) {
      if (stop.aborted) return;
      logger.warn({ err: messageOf(error) }, 'this server cannot cease to be a manager yet');
      if (failures === 1) note(io, `this server is to end, and cannot yet: ${messageOf(error)}`);
      await tell('Waiting', messageOf(error));
      await sleep(clock, backoffMs(failures, { ...retry, random: Math.random }), stop).catch(() => undefined);
    }
  }
}

interface RoleWish {
  /** Resolves when the Node says that it is to be a worker, or at the end of all. */
  untilWorker(): Promise<void>;
  /** Aborted when the Node says something else from then on. */
  stop(): AbortSignal;
}

function followRole(own: OwnNodeOptions): RoleWish {
  let role: NodeRole | undefined;
  let changed = new AbortController();
  void followOwnNode(own, {
    onNode({ spec }) {
      if (spec.role === role) return;
      role = spec.role;
      changed.abort();
      changed = new AbortController();
    },
    // One that serves is never removed; and one that was removed meanwhile finds that in etcd.
    onRemoved: () => undefined,
  });
  return {
    async untilWorker() {
      while (role !== 'worker' && !own.signal.aborted)
        await untilAborted(AbortSignal.any([changed.signal, own.signal]));
    },
    stop: () => changed.signal,
  };
}

/** How this machine speaks to the others about its Node: not through its own server once that is to end. */
export function ownNode({
  context,
  flags,
  file,
  manager,
}: Pick<Served, 'context' | 'flags' | 'file'> & {
  readonly manager: Pick<Manager, 'servers' | 'pki'> | undefined;
}): OwnNodeOptions {
  const { clock, logger, signal } = context;
  const { nodeName, manager: part } = file();
  const self = part === undefined ? undefined : urlOf(parseAddress(part.advertise));
  const isServing = (): boolean => file().manager !== undefined && file().manager?.etcd !== 'leaving';
  return {
    nodeName,
    servers: () => {
      const all = [...new Set([...(manager?.servers() ?? []), ...file().servers])];
      // Its own is not there any more when it leaves.
      return isServing() ? all : all.filter((server) => server !== self);
    },
    tls: () => (manager === undefined ? readNodeTls(flags.dataDir) : nodeTlsOf(manager.pki)),
    clock,
    logger,
    signal,
  };
}

const isWorker = (nodeName: string, dataDir: string): CliError =>
  new CliError(`${nodeName} is a worker of its cluster: no server runs here`, {
    remedy:
      `run \`orc up --data-dir ${dataDir}\`, or \`orc agent\`, and have \`orc server\` started no more ` +
      `(\`systemctl disable\`); \`orc node promote ${nodeName}\` and \`orc up\` make it a manager again`,
    exitCode: noServerHere,
  });
