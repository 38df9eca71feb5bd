/** A worker: the agent with its runtime and its session. The composition root of the agent's side. */
import { join } from 'node:path';
import type { AgentOptions } from '../../agent/index.ts';
import { digestOf } from '../../kit/certificate.ts';
import { systemClock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { version } from '../version.ts';
import type { NodeTls } from './node-tls.ts';

export interface WorkerOptions {
  readonly dataDir: string;
  readonly nodeName: string;
  readonly role: AgentOptions['role'];
  readonly runtime: 'docker' | 'simulated';
  readonly dockerHost: string;
  /** `https://host:port` each. */
  readonly endpoints: readonly string[];
  /** The server on this machine, dialled before all others. */
  readonly prefer?: string;
  /** PEM texts: the cluster's CA and the node's certificate and key, as they are now. */
  readonly tls: () => NodeTls;
  readonly logger: Logger;
}

export interface Worker {
  /** `https://host:port` of all servers that are known by now. */
  servers(): readonly string[];
  /** What the node is has changed. */
  describeAgain(): void;
  /** Containers run on. */
  close(): Promise<void>;
}

export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const agent = await import('../../agent/index.ts');
  const { connectSession, startSignOfLife } = await import('../../agent/session/index.ts');
  const { nodeName } = options;
  const owner = { cluster: clusterOf(options.tls().ca), nodeName };
  const clock = systemClock;
  const logger = options.logger.child({ part: 'agent' });
  const isSimulated = options.runtime === 'simulated';
  const signOfLife = startSignOfLife({ clock, logger });
  const { endpoints, prefer, tls } = options;
  let servers = (): readonly string[] => endpoints;
  const running = await agent.startAgent({
    owner,
    dataDir: join(options.dataDir, 'agent'),
    runtime: isSimulated
      ? agent.createSimulatedRuntime({ nodeName, clock })
      : agent.createDockerRuntime({ address: options.dockerHost, owner }),
    role: options.role,
    agentVersion: version,
    logger,
    clock,
    ingress: !isSimulated,
    connect(handlers) {
      const serversFile = join(options.dataDir, 'agent', 'servers.json');
      const settings = { endpoints, prefer, serversFile, tls, signOfLife, logger, clock };
      const session = connectSession({ ...settings, ...handlers });
      servers = () => session.servers();
      return session;
    },
  });
  return {
    servers: () => servers(),
    describeAgain: () => running.describeAgain(),
    close: () => running.close(),
  };
}

/** The cluster's identity on an engine: a digest of its CA. */
export const clusterOf = (ca: string): string => digestOf(ca).slice(0, 16);
