/** A worker: the agent with its runtime and its session. The composition root of the agent's side. */
import { join } from 'node:path';
import type { AgentOptions } from '../../agent/index.ts';
import type { Certificates, NodeStatus } from '../../api-schemas/index.ts';
import { endOfCertificate, trustStateOf } from '../../kit/certificate.ts';
import { systemClock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { version } from '../version.ts';
import { clusterId } from './cluster-id.ts';
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
  /** The CA is being replaced: the server at `endpoint` issues with and trusts these. */
  readonly onCertificates?: (certificates: Certificates, endpoint: string) => void;
  readonly logger: Logger;
}

export interface Worker {
  /** `https://host:port` of all servers that are known by now. */
  servers(): readonly string[];
  /** What the node is has changed. */
  describeAgain(): void;
  /** `tls` gives something else now. */
  renewed(): void;
  /** Containers run on. */
  close(): Promise<void>;
}

export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const agent = await import('../../agent/index.ts');
  const { connectSession, startSignOfLife } = await import('../../agent/session/index.ts');
  const { nodeName } = options;
  const owner = { cluster: await clusterId(options.dataDir, options.tls().ca), nodeName };
  const clock = systemClock;
  const logger = options.logger.child({ part: 'agent' });
  const isSimulated = options.runtime === 'simulated';
  const signOfLife = startSignOfLife({ clock, logger });
  const { endpoints, prefer, tls } = options;
  let servers = (): readonly string[] => endpoints;
  let renewed = (): void => undefined;
  let address = (): string | undefined => undefined;
  const running = await agent.startAgent({
    owner,
    dataDir: join(options.dataDir, 'agent'),
    runtime: isSimulated
      ? agent.createSimulatedRuntime({ nodeName, clock })
      : agent.createDockerRuntime({ address: options.dockerHost, owner }),
    role: options.role,
    agentVersion: version,
    certificate: () => certificateOf(tls()),
    address: () => address(),
    logger,
    clock,
    ingress: !isSimulated,
    connect(handlers) {
      const serversFile = join(options.dataDir, 'agent', 'servers.json');
      const { onCertificates } = options;
      const settings = { endpoints, prefer, serversFile, tls, signOfLife, logger, clock };
      const more = onCertificates === undefined ? {} : { onCertificates };
      const session = connectSession({ ...settings, ...more, ...handlers });
      servers = () => session.servers();
      renewed = () => session.renewed();
      address = () => session.address();
      return session;
    },
  });
  return {
    servers: () => servers(),
    describeAgain: () => running.describeAgain(),
    renewed: () => renewed(),
    close: () => running.close(),
  };
}

const certificateOf = ({ ca, cert }: NodeTls): NodeStatus['certificate'] => ({
  ...trustStateOf(cert, ca),
  notAfter: endOfCertificate(cert).toISOString(),
});
