import type Docker from 'dockerode';
import { ownerLabels, type NetworkSpec, type Owner } from '../types.ts';
import { ownerFilter } from './owner.ts';
import { runtimeError, statusOf } from './errors.ts';

interface Found {
  readonly Id: string;
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Options?: Readonly<Record<string, string>> | null;
}

const bridgeOption = 'com.docker.network.bridge.name';
const mtuOption = 'com.docker.network.driver.mtu';

/** Finds our network of that name, or makes it. Callers refer to it by id: on 20.10 a name may be ambiguous. */
export async function ensureNetwork(
  docker: Docker,
  owner: Owner,
  spec: NetworkSpec,
): Promise<{ id: string; name: string; bridge: string }> {
  try {
    return (await find(docker, owner, spec.name)) ?? (await create(docker, owner, spec));
  } catch (error) {
    throw runtimeError(error, `making network ${spec.name}`);
  }
}

async function find(
  docker: Docker,
  owner: Owner,
  name: string,
): Promise<{ id: string; name: string; bridge: string } | undefined> {
  const filters = { name: [name], label: ownerFilter(owner) };
  const found = ((await docker.listNetworks({ filters: JSON.stringify(filters) })) as Found[]).find(
    (network) => network.Name === name,
  );
  if (found === undefined) return undefined;
  return { id: found.Id, name, bridge: found.Options?.[bridgeOption] ?? `br-${found.Id.slice(0, 12)}` };
}

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
    return other;
  }
}

function ipamOf({ subnet, subnet6 }: NetworkSpec): object {
  const config = [
    ...(subnet === undefined ? [] : [{ Subnet: subnet.cidr, Gateway: subnet.gateway }]),
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
