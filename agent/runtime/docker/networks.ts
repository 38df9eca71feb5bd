import type Docker from 'dockerode';
import { label, type NetworkSpec } from '../types.ts';
import { runtimeError, statusOf } from './errors.ts';

interface Found {
  readonly Id: string;
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Options?: Readonly<Record<string, string>> | null;
}

const bridgeOption = 'com.docker.network.bridge.name';

/** Finds our network of that name, or makes it. Callers refer to it by id: on 20.10 a name may be ambiguous. */
export async function ensureNetwork(
  docker: Docker,
  node: string,
  spec: NetworkSpec,
): Promise<{ id: string; name: string; bridge: string }> {
  try {
    return (await find(docker, node, spec.name)) ?? (await create(docker, node, spec));
  } catch (error) {
    throw runtimeError(error, `making network ${spec.name}`);
  }
}

async function find(
  docker: Docker,
  node: string,
  name: string,
): Promise<{ id: string; name: string; bridge: string } | undefined> {
  const filters = { name: [name], label: [`${label.node}=${node}`] };
  const found = ((await docker.listNetworks({ filters: JSON.stringify(filters) })) as Found[]).find(
    (network) => network.Name === name,
  );
  if (found === undefined) return undefined;
  return { id: found.Id, name, bridge: found.Options?.[bridgeOption] ?? `br-${found.Id.slice(0, 12)}` };
}

async function create(
  docker: Docker,
  node: string,
  spec: NetworkSpec,
): Promise<{ id: string; name: string; bridge: string }> {
  try {
    const made = await docker.createNetwork({
      Name: spec.name,
      Driver: 'bridge',
      // 20.10 makes a second network of the same name without this.
      CheckDuplicate: true,
      Labels: { ...spec.labels, [label.node]: node },
      Options: { [bridgeOption]: spec.bridge },
      ...(spec.subnet6 === undefined
        ? {}
        : { EnableIPv6: true, IPAM: { Driver: 'default', Config: [{ Subnet: spec.subnet6 }] } }),
    });
    return { id: made.id, name: spec.name, bridge: spec.bridge };
  } catch (error) {
    // Made between our look and now.
    const other = statusOf(error) === 409 ? await find(docker, node, spec.name) : undefined;
    if (other === undefined) throw error;
    return other;
  }
}

/** Our networks, with the number of their running containers as the engine counts them. */
export async function listNetworks(
  docker: Docker,
  node: string,
): Promise<
  readonly { id: string; name: string; containers: number; labels: Readonly<Record<string, string>> }[]
> {
  const filters = JSON.stringify({ label: [`${label.node}=${node}`] });
  const found = (await docker.listNetworks({ filters })) as Found[];
  return Promise.all(
    found.map(async ({ Id: id, Name: name, Labels: labels = {} }) => {
      const info = (await docker.getNetwork(id).inspect()) as { Containers?: Record<string, unknown> };
      return { id, name, labels, containers: Object.keys(info.Containers ?? {}).length };
    }),
  );
}
