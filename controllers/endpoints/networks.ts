/** How a service is known on its networks. Pure. */
import {
  holdsAddress,
  networksOf,
  withDefaults,
  type Endpoint,
  type Endpoints,
  type Network,
  type NetworkAddress,
  type Service,
  type ServiceNetwork,
  type Task,
} from '../../api-schemas/index.ts';

/** Networks of a service that are there, by name. */
export type KnownNetworks = ReadonlyMap<string, Network>;

type OnNetworks = Pick<Endpoints, 'networks' | 'mode' | 'sessionAffinity'>;

/** Its networks with its virtual IP and aliases on each; nothing of a service that is on none. */
export function onNetworks(service: Service, known: KnownNetworks): OnNetworks {
  const { spec } = withDefaults(service);
  const mode = spec.endpointMode ?? 'vip';
  const networks = networksOf(spec).map(({ name, aliases }): ServiceNetwork => {
    const virtualIP = known.get(name)?.status?.virtualIPs?.[service.metadata.name];
    return {
      network: name,
      ...(virtualIP === undefined || mode === 'dnsrr' ? {} : { virtualIP }),
      ...(aliases === undefined || aliases.length === 0 ? {} : { aliases }),
    };
  });
  if (networks.length === 0) return {};
  const { clientIP } = spec.sessionAffinity ?? {};
  return { networks, mode, ...(clientIP === undefined ? {} : { sessionAffinity: { clientIP } }) };
}

/** Where a task is reached; nothing of one that has no address. */
export function addressOf(
  task: Task,
  networks: readonly ServiceNetwork[],
  known: KnownNetworks,
): readonly Endpoint[] {
  const all = task.status?.addresses ?? [];
  const [first] = all;
  if (first === undefined || task.spec.nodeName === undefined) return [];
  const { slot, nodeName } = task.spec;
  const addresses = all.filter(
    (one) =>
      networks.some(({ network }) => network === one.network) &&
      mayHave(nodeName, one, known.get(one.network)),
  );
  return [
    {
      task: task.metadata.name,
      ...(slot === undefined ? {} : { slot }),
      nodeName,
      ip: (addresses[0] ?? first).ip,
      ...(addresses.length === 0 ? {} : { addresses }),
    },
  ];
}

/** A node that says an address which was not given to it would draw the traffic of others. */
const mayHave = (node: string, { ip }: NetworkAddress, network: Network | undefined): boolean => {
  if (network?.spec.external !== undefined) return true;
  const member = network?.status?.nodes?.[node];
  return member !== undefined && holdsAddress(member, ip, network?.status?.subnet6);
};
