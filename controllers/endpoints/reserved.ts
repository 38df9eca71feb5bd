import type { Cluster } from '../../api-schemas/index.ts';
import { firstPort, lastPort } from './plan.ts';

/**
 * Numbers that are not chosen for a service, as a manager has its API or its etcd there: the node would send what is
 * meant for it to a container. Sorted. Pure.
 */
export function reservedPorts(cluster: Cluster | undefined): readonly number[] {
  const urls = Object.values(cluster?.status?.managers ?? {}).flatMap(({ url, peerURL }) => [url, peerURL]);
  const ports = urls.map(portOf).filter((port) => port >= firstPort && port <= lastPort);
  return [...new Set(ports)].sort((a, b) => a - b);
}

const portOf = (url = ''): number => (URL.canParse(url) ? Number(new URL(url).port) : 0);
