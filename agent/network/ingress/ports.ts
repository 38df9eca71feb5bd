import { isIPv6 } from 'node:net';
import type { Endpoint, Endpoints, Port, Task } from '../../../api-schemas/index.ts';

/** A published port of the node with the addresses behind it. */
export interface IngressPort {
  readonly namespace: string;
  readonly service: string;
  readonly published: number;
  readonly target: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** Only on this address of the node; on all when absent. */
  readonly hostIP?: string;
  /** Of ready tasks, sorted: those on this node, and, but for a port of mode `local`, those on others. */
  readonly backends: readonly string[];
  /**
   * Of these, the ones that can answer nobody but this node, so that they do not see the client: those on other nodes, and
   * those on an internal network, which have no way out.
   */
  readonly remote: readonly string[];
}

/** A published port that this node does not answer, and why. */
export interface PortProblem {
  readonly namespace: string;
  readonly service: string;
  readonly published: number;
  readonly protocol: string;
  readonly reason: string;
  readonly message: string;
}

export interface ServingTask {
  readonly task: Task;
  /** The network of its ports is internal. */
  readonly isInternal?: boolean;
  readonly addresses: readonly { readonly network: string; readonly ip: string }[];
}

const wildcard = (ip: string | undefined): boolean => ip === undefined || ip === '0.0.0.0' || ip === '::';

/**
 * The node's published ports: what services publish (decided by the server) with the node's own ready tasks (known here
 * first) and those of other nodes. Of two services on one port the first by name has it; the other is a problem. Pure.
 */
export function ingressPorts(
  endpoints: readonly Endpoints[],
  serving: readonly ServingTask[],
  nodeName = '',
): { ports: readonly IngressPort[]; problems: readonly PortProblem[] } {
  const ports: IngressPort[] = [];
  const problems: PortProblem[] = [];
  const sorted = [...endpoints].sort((a, b) => (fullName(a) < fullName(b) ? -1 : 1));
  for (const service of sorted)
    for (const port of service.ports ?? []) {
      const wanted = ingressPort(service, port, serving, nodeName);
      if (wanted === undefined) continue;
      const other = ports.find((known) => clash(known, wanted));
      if (other === undefined) ports.push(wanted);
      else if (fullName(service) !== `${other.namespace}/${other.service}`)
        problems.push(taken(wanted, other));
    }
  return { ports, problems };
}

function ingressPort(
  service: Endpoints,
  port: Port,
  serving: readonly ServingTask[],
  nodeName: string,
): IngressPort | undefined {
  const { mode = 'ingress' } = port;
  if (mode === 'host' || !port.published) return undefined;
  const { namespace = 'default', name } = service.metadata;
  const own = serving.filter(
    ({ task }) => task.spec.service === name && (task.metadata.namespace ?? 'default') === namespace,
  );
  // Of its own tasks the node knows more, and sooner.
  const others = (service.endpoints ?? []).filter((endpoint) => endpoint.nodeName !== nodeName);
  const remote = mode === 'local' ? [] : [...new Set(others.flatMap(reachedAt))].sort();
  return {
    namespace,
    service: name,
    published: port.published,
    target: port.target,
    protocol: port.protocol ?? 'tcp',
    ...(wildcard(port.hostIP) ? {} : { hostIP: port.hostIP }),
    backends: [...new Set([...own.flatMap(addressesOf), ...remote])].sort(),
    remote: [
      ...new Set([...own.filter(({ isInternal }) => isInternal).flatMap(addressesOf), ...remote]),
    ].sort(),
  };
}

/** On the network of its default route: one that is on several has one address behind a port all the same. */
function addressesOf({ task, addresses }: ServingTask): readonly string[] {
  const first = task.spec.networks?.[0];
  return addresses.filter(({ network }) => first === undefined || network === first).map(({ ip }) => ip);
}

/** Its address, and what it has of the other family on that network. */
function reachedAt({ ip, addresses = [] }: Endpoint): readonly string[] {
  const network = addresses.find((one) => one.ip === ip)?.network;
  return [ip, ...addresses.filter((one) => one.network === network).map((one) => one.ip)];
}

function clash(a: IngressPort, b: IngressPort): boolean {
  if (a.published !== b.published || a.protocol !== b.protocol) return false;
  return a.hostIP === undefined || b.hostIP === undefined || a.hostIP === b.hostIP;
}

function taken(port: IngressPort, other: IngressPort): PortProblem {
  return problem(
    port,
    'PortTaken',
    `port ${port.published}/${port.protocol} is published by service ${other.namespace}/${other.service}`,
  );
}

export function problem(port: IngressPort, reason: string, message: string): PortProblem {
  const { namespace, service, published, protocol } = port;
  return { namespace, service, published, protocol, reason, message };
}

/** `8080/tcp`, with the address before it where there is one. */
export const portName = ({ hostIP, published, protocol }: IngressPort): string =>
  `${hostIP === undefined ? '' : isIPv6(hostIP) ? `[${hostIP}]:` : `${hostIP}:`}${published}/${protocol}`;

const fullName = ({ metadata }: Endpoints): string => `${metadata.namespace ?? 'default'}/${metadata.name}`;
