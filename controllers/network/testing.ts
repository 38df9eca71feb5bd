/** For tests only: networks, and what a pass of one reads. */
import type {
  Network,
  NetworkSpec,
  NetworkStatus,
  Node,
  NodeRoute,
  Service,
  Task,
} from '../../api-schemas/index.ts';
import { apiVersion, finalizer } from '../runtime/names.ts';
import { aNode, aService, aTask, nodeMap } from '../runtime/testing.ts';
import type { Observed } from './plan.ts';

export const testPools = [{ cidr: '10.64.0.0/10', size: 20 }];

export const testPool6 = 'fd12:3456:7800::/40';

export const aNetwork = (name: string, spec: NetworkSpec = {}, status?: NetworkStatus): Network => ({
  apiVersion,
  kind: 'Network',
  metadata: {
    name,
    namespace: 'default',
    uid: `uid-${name}`,
    generation: 1,
    finalizers: [finalizer.network],
  },
  spec,
  ...(status === undefined ? {} : { status }),
});

export const aNodeWith = (name: string, ...routes: readonly NodeRoute[]): Node =>
  aNode(name, { status: { routes } });

export const onNetworks = (
  name: string,
  networks: readonly string[],
  spec: Partial<Service['spec']> = {},
): Service => aService({ networks: networks.map((network) => ({ name: network })), ...spec }, { name });

/** A task on a node; `ips` by network once it has said them. */
export const aTaskOn = (
  service: Service,
  name: string,
  nodeName: string,
  ips: Readonly<Record<string, string>> = {},
): Task =>
  aTask(service, {
    name,
    nodeName,
    networks: (service.spec.networks ?? []).map((network) => network.name),
    status: { addresses: Object.entries(ips).map(([network, ip]) => ({ network, ip })) },
  });

export const looking = (
  network: Network,
  more: Partial<Omit<Observed, 'network' | 'nodes'>> & { readonly nodes?: readonly Node[] } = {},
): Observed => ({
  network,
  others: [],
  pools: testPools,
  pool6: testPool6,
  services: [],
  tasks: [],
  ...more,
  nodes: nodeMap(...(more.nodes ?? [])),
});
