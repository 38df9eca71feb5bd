/** Services and networks that come, change and go by chance. Each returns what it did, in words. */
import { networksOf, type Network, type Service } from '../../../api-schemas/index.ts';
import type { LabClient } from '../lab-client.ts';
import { helloService } from '../lab-world.ts';
import type { Chance } from './random.ts';

export const networkNames = ['blue', 'green', 'red'] as const;
const names = ['ant', 'bee', 'cat', 'dog', 'elk', 'fox'] as const;

export const network = (name: string): Network => ({
  apiVersion: 'orc.dev/v1',
  kind: 'Network',
  metadata: { name, namespace: 'default' },
  spec: { ...(name === 'green' ? { internal: true } : {}), ...(name === 'red' ? { mtu: 1400 } : {}) },
});

/** On one to three networks, in some order; half of them with ports. */
function randomService(name: string, chance: Chance): Service {
  const all = ['default', ...networkNames].sort(() => chance.next() - 0.5);
  const networks = all.slice(0, chance.pick([1, 1, 2, 3])).map((each) => ({
    name: each,
    ...(chance.next() < 0.3 ? { aliases: [`${name}-alias`] } : {}),
  }));
  const number = names.indexOf(name as (typeof names)[number]);
  const mode = chance.pick(['ingress', 'ingress', 'local'] as const) ?? 'ingress';
  const isGlobal = chance.next() < 0.2;
  return helloService(name, {
    networks,
    ...(isGlobal ? { mode: 'global' } : { replicas: chance.between(1, 3) }),
    ...(chance.next() < 0.5 ? { ports: [{ published: 8000 + number, target: 80, mode }] } : {}),
    ...(chance.next() < 0.2 ? { endpointMode: 'dnsrr' } : {}),
    ...(chance.next() < 0.2 ? { sessionAffinity: { clientIP: {} } } : {}),
    ...(chance.next() < 0.5 ? { taskHistoryLimit: 0 } : {}),
  });
}

const servicesOf = async (client: LabClient): Promise<readonly Service[]> =>
  (await client.list('Service')).items.filter(({ metadata }) => metadata.deletionTimestamp === undefined);

export async function create(client: LabClient, chance: Chance): Promise<string> {
  const there = new Set((await servicesOf(client)).map(({ metadata }) => metadata.name));
  const name = chance.pick(names.filter((each) => !there.has(each)));
  if (name === undefined) return remove(client, chance);
  const service = randomService(name, chance);
  // Its predecessor may be going yet.
  for (let tries = 0; ; tries++)
    try {
      await client.create(service);
      return `create ${name} ${JSON.stringify({ ...service.spec, image: undefined, pullPolicy: undefined, stopGracePeriod: undefined })}`;
    } catch (error) {
      if (tries > 50 || !/is being deleted|already exists/.test(String(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
}

export async function remove(client: LabClient, chance: Chance): Promise<string> {
  const service = chance.pick(await servicesOf(client));
  if (service === undefined) return create(client, chance);
  await client.delete('Service', { name: service.metadata.name });
  return `delete ${service.metadata.name}`;
}

export async function scale(client: LabClient, chance: Chance): Promise<string> {
  const service = chance.pick((await servicesOf(client)).filter(({ spec }) => spec.mode !== 'global'));
  if (service === undefined) return create(client, chance);
  const replicas = chance.between(0, 5);
  await client.setScale('Service', { name: service.metadata.name }, replicas);
  return `scale ${service.metadata.name} to ${replicas}`;
}

/** By a constraint, which a new revision follows. */
export async function move(client: LabClient, chance: Chance, nodes: readonly string[]): Promise<string> {
  const service = chance.pick(await servicesOf(client));
  if (service === undefined) return create(client, chance);
  const node = chance.pick([...nodes, undefined]);
  const constraints = node === undefined ? [] : [`node.hostname == ${node}`];
  await client.patch('Service', { name: service.metadata.name }, { spec: { placement: { constraints } } });
  return `move ${service.metadata.name} to ${node ?? 'any node'}`;
}

export async function rewire(client: LabClient, chance: Chance): Promise<string> {
  const service = chance.pick(await servicesOf(client));
  if (service === undefined) return create(client, chance);
  const { networks, endpointMode = 'vip' } = randomService(service.metadata.name, chance).spec;
  await client.patch('Service', { name: service.metadata.name }, { spec: { networks, endpointMode } });
  return `rewire ${service.metadata.name} ${JSON.stringify({ networks, endpointMode })}`;
}

/** A network that no service is on is made anew, under its name. */
export async function renew(client: LabClient, chance: Chance): Promise<string> {
  const used = new Set(
    (await servicesOf(client)).flatMap(({ spec }) => networksOf(spec)).map(({ name }) => name),
  );
  const name = chance.pick(networkNames.filter((each) => !used.has(each)));
  if (name === undefined) return remove(client, chance);
  await client.delete('Network', { name });
  for (let tries = 0; ; tries++)
    try {
      await client.create(network(name));
      return `renew network ${name}`;
    } catch (error) {
      if (tries > 100 || !/is being deleted|already exists/.test(String(error))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
}
