import type Docker from 'dockerode';
import { label, ownerLabels, type NetworksAround, type NetworkSpec, type Owner } from '../types.ts';
import { ownerFilter } from './owner.ts';
import { runtimeError, statusOf } from './errors.ts';

interface Found {
  readonly Id: string;
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Options?: Readonly<Record<string, string>> | null;
  readonly IPAM?: {
    readonly Config?: readonly { readonly Subnet?: string; readonly Gateway?: string }[] | null;
  };
}

const bridgeOption = 'com.docker.network.bridge.name';
const mtuOption = 'com.docker.network.driver.mtu';

/**
 * Finds our network of that name, or makes it. Callers refer to it by id: on 20.10 a name may be ambiguous. One with
 * another gateway is of a time before the node had left the network, and somebody else may have that address now: it is
 * made anew.
 */
export async function ensureNetwork(
  docker: Docker,
  owner: Owner,
  spec: NetworkSpec,
): Promise<{ id: string; name: string; bridge: string }> {
  try {
    const found = await find(docker, owner, spec.name);
    if (found === undefined) return await create(docker, owner, spec);
    if (isAsWanted(found, spec)) return networkOf(found);
    await docker.getNetwork(found.Id).remove();
    return await create(docker, owner, spec);
  } catch (error) {
    throw runtimeError(error, `making network ${spec.name}`);
  }
}

async function find(docker: Docker, owner: Owner, name: string): Promise<Found | undefined> {
  const filters = { name: [name], label: ownerFilter(owner) };
  const all = (await docker.listNetworks({ filters: JSON.stringify(filters) })) as Found[];
  return all.find((network) => network.Name === name);
}

const networkOf = ({ Id: id, Name: name, Options }: Found): { id: string; name: string; bridge: string } => ({
  ...{ id, name, bridge: Options?.[bridgeOption] ?? `br-${id.slice(0, 12)}` },
});

const isAsWanted = ({ IPAM }: Found, { subnet }: NetworkSpec): boolean =>
  subnet === undefined ||
  (IPAM?.Config ?? []).some(({ Subnet, Gateway }) => Subnet === subnet.cidr && Gateway === subnet.gateway);

async function create(
  docker: Docker,
  owner: Owner,
  spec: NetworkSpec,
): Promise<{ id: string; name: string; bridge: string }> {
  try {
    const made = await docker.createNetwork({
      Name: spec.name,
      Driver: 'bridge',
      // 20.10 makes a second network of the same name without this.
      CheckDuplicate: true,
      Labels: { ...spec.labels, ...ownerLabels(owner) },
      ...(spec.internal === true ? { Internal: true } : {}),
      ...(spec.attachable === true ? { Attachable: true } : {}),
      Options: {
        ...spec.options,
        [bridgeOption]: spec.bridge,
        ...(spec.mtu === undefined ? {} : { [mtuOption]: String(spec.mtu) }),
      },
      ...(spec.subnet6 === undefined ? {} : { EnableIPv6: true }),
      ...ipamOf(spec),
    });
    return { id: made.id, name: spec.name, bridge: spec.bridge };
  } catch (error) {
    // Made between our look and now.
    const other = statusOf(error) === 409 ? await find(docker, owner, spec.name) : undefined;
    if (other === undefined) throw error;
    return networkOf(other);
  }
}

function ipamOf({ subnet, subnet6, range }: NetworkSpec): object {
  const part = range === undefined ? {} : { IPRange: range };
  const config = [
    ...(subnet === undefined ? [] : [{ Subnet: subnet.cidr, Gateway: subnet.gateway, ...part }]),
    ...(subnet6 === undefined ? [] : [{ Subnet: subnet6 }]),
  ];
  return config.length === 0 ? {} : { IPAM: { Driver: 'default', Config: config } };
}

/** Our networks, with the number of their running containers as the engine counts them. */
export async function listNetworks(
  docker: Docker,
  owner: Owner,
): Promise<
  readonly { id: string; name: string; containers: number; labels: Readonly<Record<string, string>> }[]
> {
  const filters = JSON.stringify({ label: ownerFilter(owner) });
  const found = (await docker.listNetworks({ filters })) as Found[];
  return Promise.all(
    found.map(async ({ Id: id, Name: name, Labels: labels = {} }) => {
      const info = (await docker.getNetwork(id).inspect()) as { Containers?: Record<string, unknown> };
      return { id, name, labels, containers: Object.keys(info.Containers ?? {}).length };
    }),
  );
}

/** What engines take ranges from when nobody has told them otherwise; they do not say it. */
const usualPools = ['172.17.0.0/16', '172.18.0.0/15', '172.20.0.0/14', '172.24.0.0/13', '192.168.0.0/16'];

export async function networksAround(docker: Docker, { cluster }: Owner): Promise<NetworksAround> {
  const [found, info] = await Promise.all([
    docker.listNetworks() as unknown as Promise<readonly Found[]>,
    docker.info() as Promise<{ readonly DefaultAddressPools?: readonly { readonly Base: string }[] | null }>,
  ]);
  const told = (info.DefaultAddressPools ?? []).map(({ Base }) => Base).filter((base) => !base.includes(':'));
  return {
    networks: found.map(({ Id: id, Name: name, Labels, IPAM }) => ({
      ...{ id, name, isOurs: Labels?.[label.cluster] === cluster },
      subnets: (IPAM?.Config ?? []).flatMap(({ Subnet = '' }) =>
        Subnet === '' || Subnet.includes(':') ? [] : [Subnet],
      ),
    })),
    pools: told.length === 0 ? usualPools : told,
  };
}

export async function addressesOn(docker: Docker, id: string): Promise<readonly string[]> {
  const info = (await docker.getNetwork(id).inspect()) as {
    readonly Containers?: Readonly<Record<string, { readonly IPv4Address?: string }>>;
  };
  return Object.values(info.Containers ?? {}).flatMap(
    ({ IPv4Address = '' }) => IPv4Address.split('/')[0] || [],
  );
}
