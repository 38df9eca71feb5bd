import { availableParallelism } from 'node:os';
import type { AssignmentSet, NetworkProblem, NodeStatus, Port, StreamRequest } from '../api-schemas/index.ts';
import type { NodeRole } from '../api-schemas/join.ts';
import { systemClock, type Clock } from '../kit/clock.ts';
import type { Logger } from '../kit/log.ts';
import { EngineWatcher } from './engine.ts';
import { run, type Run } from './network/commands.ts';
import { Firewall, wantedOf } from './network/firewall/index.ts';
import { holdPort, type Hold } from './network/ingress/hold.ts';
import { Ingress } from './network/ingress/index.ts';
import type { PortProblem } from './network/ingress/ports.ts';
import { defaultTable } from './network/ingress/table.ts';
import { ipv6Usable } from './network/ipv6/index.ts';
import { portHolder } from './network/listeners.ts';
import { NodeNetworks } from './network/index.ts';
import { Routes } from './network/routes.ts';
import { describeNode } from './node.ts';
import type { EngineInfo, Owner, Runtime } from './runtime/types.ts';
import type { AgentSession, SessionOptions } from './session/index.ts';
import { Heard } from './netcheck/heard.ts';
import { NetCheck } from './netcheck/index.ts';
import { neighboursOf } from './netcheck/peers.ts';
import { Tools } from './network/tools.ts';
import { serveAnswer, serveStream } from './streams/index.ts';
import { CheckpointFile } from './tasks/checkpoint.ts';
import { Tasks } from './tasks/index.ts';
import { Reach } from './tasks/reach.ts';

export { clearNode, type ClearOptions } from './clear.ts';
export { createDockerRuntime, type DockerRuntimeOptions } from './runtime/docker/index.ts';
export { createSimulatedRuntime, type SimulatedOptions, type SimulatedRuntime } from './runtime/simulated.ts';
export { connectSession, type AgentSession, type SessionOptions } from './session/index.ts';
export type { Owner, Runtime } from './runtime/types.ts';

/** What a session asks of the agent and tells it: a part of `SessionOptions`. */
export type SessionHandlers = Pick<
  SessionOptions,
  'describe' | 'onAssignments' | 'onLeft' | 'onStream' | 'onDisconnect' | 'onQuorum'
>;

export interface IngressSettings {
  /**
   * nft table; begins with `orc_ingress`. Default: `orc_ingress` for /var/lib/orc, else with a hash of the data
   * directory behind it, so that several agents share one network namespace.
   */
  readonly table?: string;
  /**
   * Whether networks without IPv6 of their own have one all the same, which does not leave the node, so that published
   * ports are answered by it. Default: `ipv6Usable()`. Starts take longer with it.
   */
  readonly ipv6?: boolean;
  readonly run?: Run;
  readonly hold?: Hold;
}

export interface AgentOptions {
  readonly owner: Owner;
  /** Holds the checkpoint; none is kept without it (simulated nodes). */
  readonly dataDir?: string;
  readonly runtime: Runtime;
  /** A function is asked for each description: the role of a node may change while its agent runs. */
  readonly role: NodeRole | (() => NodeRole);
  readonly agentVersion?: string;
  /** The node's certificate, as it is now. */
  readonly certificate?: () => NodeStatus['certificate'];
  /** This node's address, by which others reach it; undefined while it is not known. */
  readonly address?: () => string | undefined;
  /** Opens the session: `(handlers) => connectSession({ endpoints, tls, labels, logger, clock, ...handlers })`. */
  readonly connect: (
    handlers: SessionHandlers,
  ) => Pick<AgentSession, 'report' | 'event' | 'describeAgain' | 'openStream' | 'close'>;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Published ports; false where there is no kernel to program (simulated nodes). */
  readonly ingress?: boolean | IngressSettings;
  /** Full list of the engine's containers that often, whatever its events say; 0: never. Default 30 s. */
  readonly resyncMs?: number;
  /** Containers created or started at a time. Default: 3 per core. */
  readonly maxStarts?: number;
}

export interface Agent {
  /** What the node is has changed. */
  describeAgain(): void;
  /** Containers run on; with `teardown` the published ports stop answering. */
  close(options?: { readonly teardown?: boolean }): Promise<void>;
}

/**
 * Measured on 2 cores, Engine 20.10, 30 containers: 1 at a time took 14.3 s, 2 10.1 s, 4 8.5 s, 6 5.4 s, 8 8.2 s (on a
 * busy machine). Starts wait for the kernel's network and mount locks as much as for a core.
 */
export const defaultStarts = 3 * availableParallelism();

const settledMs = 50;

/** Starts the agent of one node: it converges the engine from its checkpoint at once, and to what servers say. */
export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { owner, runtime, logger, clock = systemClock, dataDir } = options;
  const checkpoint = dataDir === undefined ? undefined : new CheckpointFile(dataDir, clock, logger);
  const settings = typeof options.ingress === 'object' ? options.ingress : {};
  const hasIngress = options.ingress !== false;
  const ipv6 = hasIngress && (settings.ipv6 ?? ipv6Usable());
  let engine: EngineInfo | undefined;
  let engineProblem: string | undefined = 'not reached yet';
  let endpoints: AssignmentSet['endpoints'] = [];
  let told = false;

  let describeAgain = (): void => undefined;
  const tools = new Tools();
  const command = tools.watch(settings.run ?? run);
  const heard: Heard = new Heard({ clock, neighbours: () => neighboursOf(networks.peers) });
  const networks: NodeNetworks = new NodeNetworks({
    ...{ runtime, owner, ipv6, clock, logger },
    probe: (message, source) => heard.answer(message, source),
    tasks: () => tasks.attached(),
    isOver: (task) => tasks.isOver(task),
    ...(hasIngress
      ? {
          kernel: {
            run: command,
            address: () => options.address?.(),
            onEncryption: () => describeAgain(),
          },
        }
      : {}),
  });
  const routes = hasIngress
    ? new Routes({
        ...{ run: command, clock, logger },
        around: () => runtime.networksAround(),
        onChange: () => describeAgain(),
      })
    : undefined;
  const ingress: Ingress | undefined = hasIngress
    ? new Ingress({
        table: settings.table ?? defaultTable(dataDir),
        ipv6: () => ipv6 || networks.hasIPv6,
        run: command,
        hold: settings.hold ?? holdPort,
        holder: portHolder,
        clock,
        logger,
        input: () => ({
          nodeName: owner.nodeName,
          endpoints,
          complete: told,
          firewall: engine?.firewall,
          bridges: networks.bridges(),
          serving: tasks.serving().flatMap(({ task, container }) => {
            const bridge = networks.bridgeOf(task);
            const { id } = container;
            return bridge === undefined
              ? []
              : [
                  {
                    ...{ task, id, bridge, addresses: networks.addressesOf(container, task) },
                    isInternal: networks.isInternal(task),
                  },
                ];
          }),
        }),
        onProblems: (problems) => tasks.setPortProblems(problems),
      })
    : undefined;
  let firewall: Firewall | undefined;
  const netCheck: NetCheck | undefined =
    ingress === undefined
      ? undefined
      : new NetCheck({
          node: owner.nodeName,
          address: () => options.address?.(),
          state: () => networks.state(),
          heard,
          ports: () => ingress.ports(),
          problems: () => [
            ...tools.problems(),
            ...networks.problems(),
            ...(firewall?.problems() ?? []),
            ...portsFailed(ingress.problems()),
          ],
          differences: () => networks.differences(),
          counts: () => ({ ...networks.counts(), probesAnswered: heard.count }),
          run: command,
          clock,
          logger: logger.child({ part: 'netcheck' }),
          onChange: () => describeAgain(),
        });
  const tasks: Tasks = new Tasks({
    runtime,
    clock,
    logger,
    networks,
    report: (report) => session.report(report),
    event: (event) => session.event(event),
    onServing: () => ingress?.sync() ?? Promise.resolve(),
    onContainers: () => void networks.update(),
    portHolder: holderOfOne,
    onEngineDown: (error) => watcher.lost(error),
    // After the reports of what was found.
    onSettled: () => void clock.after(settledMs, () => session.describeAgain()),
    reach: new Reach({ clock, ...(dataDir === undefined ? {} : { dataDir }) }),
    ...(checkpoint === undefined ? {} : { checkpoint }),
    maxStarts: options.maxStarts ?? defaultStarts,
  });
  const restored = await checkpoint?.read();
  const node = (): NodeStatus =>
    describeNode({
      ...(options.address === undefined ? {} : { address: options.address() }),
      ...(routes === undefined ? {} : { routes: routes.current }),
      encryption: networks.encryption,
      ...networkOf(netCheck?.status()),
      role: typeof options.role === 'function' ? options.role() : options.role,
      engine,
      settled: tasks.settled,
      ...(engineProblem === undefined ? {} : { engineProblem }),
      ...(options.agentVersion === undefined ? {} : { agentVersion: options.agentVersion }),
      ...(options.certificate === undefined ? {} : { certificate: options.certificate() }),
    });
  // A node that registers says at once what it can take, if its engine answers; and which keys it has.
  [engine] = await Promise.all([
    runtime.info().then(
      (info) => ((engineProblem = undefined), info),
      (error: Error) => ((engineProblem = error.message), undefined),
    ),
    networks.look(),
  ]);
  /** Resolves when connections go where the servers say as of this call; rejects when the kernel does not take that. */
  const followed = async (): Promise<void> => {
    await Promise.all([networks.follow(), ingress?.sync()]);
    if (ingress?.isBehind === true) throw new Error('published ports cannot be programmed');
  };
  const session = options.connect({
    describe: node,
    onAssignments(set) {
      tasks.reached();
      endpoints = set.endpoints;
      told = true;
      // Tasks wait for their networks by themselves; those that run go on meanwhile.
      void networks.assign(set).then(() => ingress?.sync());
      tasks.assign(set);
      return followed();
    },
    onLeft: (uids) => tasks.left(uids),
    onStream: (id, taskUID, request) => void stream(id, taskUID, request),
    onDisconnect: () => tasks.unreached(),
    onQuorum: (ok) => (ok ? tasks.reached() : tasks.unreached()),
  });
  describeAgain = () => session.describeAgain();
  if (restored !== undefined) {
    endpoints = restored.set.endpoints;
    void networks.assign(restored.set);
    tasks.restore(restored);
    // It is due from the last contact on, whether this process has had one or not.
    if (!told) tasks.unreached();
  }
  if (hasIngress)
    firewall = new Firewall({
      run: command,
      wanted: () => {
        const isTold = told || restored !== undefined;
        return isTold ? wantedOf(networks.asked(), networks.peers, options.address?.()) : undefined;
      },
      onProblems: () => session.describeAgain(),
      clock,
      logger: logger.child({ part: 'firewall' }),
    });
  const watcher = new EngineWatcher({
    runtime,
    clock,
    logger,
    resyncMs: options.resyncMs ?? 30_000,
    onUp(info, containers) {
      engine = info;
      engineProblem = undefined;
      networks.forgetAll();
      session.describeAgain();
      tasks.engineUp(containers);
      void networks.again();
      void ingress?.sync();
    },
    onDown(message) {
      tasks.engineDown();
      if (engineProblem === message) return;
      engineProblem = message;
      session.describeAgain();
    },
    onWake: (uid, exit) => {
      if (uid !== undefined) tasks.containerChanged(uid, exit);
    },
    onList: (containers) => tasks.resync(containers),
  });

  async function stream(id: string, taskUID: string, request: StreamRequest): Promise<void> {
    try {
      if (request.kind === 'netcheck')
        return await serveAnswer(await session.openStream(id), async () => {
          if (netCheck !== undefined) return netCheck.check(request);
          throw new Error('this node has no networks: it is simulated');
        });
      await serveStream(await session.openStream(id), request, tasks.containerOf(taskUID), runtime);
    } catch (error) {
      logger.warn({ err: error, stream: id }, 'a stream that the server asked for could not be served');
    }
  }

  return {
    describeAgain: () => session.describeAgain(),
    async close({ teardown = false } = {}) {
      netCheck?.close();
      await firewall?.close(teardown);
      await watcher.close();
      await tasks.close();
      await networks.close(teardown);
      await ingress?.close(teardown);
      session.close();
    },
  };
}

const networkOf = (network: NodeStatus['network']): Pick<NodeStatus, 'network'> =>
  network === undefined ? {} : { network };

/** What concerns all ports; that one of them is taken is told on its tasks. */
function portsFailed(problems: readonly PortProblem[]): readonly NetworkProblem[] {
  const [first] = problems.filter(
    ({ reason }) => reason === 'IngressFailed' || reason === 'FirewallUnsupported',
  );
  return first === undefined
    ? []
    : [{ reason: 'PublishedPortsFailed', message: `published ports are not answered: ${first.message}` }];
}

async function holderOfOne(ports: readonly Port[]): Promise<string | undefined> {
  for (const { published, protocol } of ports) {
    const holder = published ? await portHolder(protocol ?? 'tcp', published) : undefined;
    if (holder !== undefined) return holder;
  }
  return undefined;
}
