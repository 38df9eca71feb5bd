/** A worker: the agent with its runtime and its session. The composition root of the agent's side. */
import { join } from 'node:path';
import { systemClock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { version } from '../version.ts';

export interface WorkerOptions {
  readonly dataDir: string;
  readonly nodeName: string;
  readonly role: 'manager' | 'worker';
  readonly runtime: 'docker' | 'simulated';
  readonly dockerHost: string;
  /** `https://host:port` each. */
  readonly endpoints: readonly string[];
  /** PEM texts: the cluster's CA and the node's certificate and key. */
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string };
  readonly logger: Logger;
}

export interface Worker {
  /** Containers run on. */
  close(): Promise<void>;
}

export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const [agent, { connectSession }] = await Promise.all([
    import('../../agent/index.ts'),
    import('../../agent/session/index.ts'),
  ]);
  const { nodeName } = options;
  const clock = systemClock;
  const logger = options.logger.child({ part: 'agent' });
  const isSimulated = options.runtime === 'simulated';
  return agent.startAgent({
    nodeName,
    dataDir: join(options.dataDir, 'agent'),
    runtime: isSimulated
      ? agent.createSimulatedRuntime({ nodeName, clock })
      : agent.createDockerRuntime({ address: options.dockerHost, nodeName }),
    role: options.role,
    agentVersion: version,
    logger,
    clock,
    ingress: !isSimulated,
    connect: (handlers) =>
      connectSession({ endpoints: options.endpoints, tls: () => options.tls, logger, clock, ...handlers }),
  });
}
