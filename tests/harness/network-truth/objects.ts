/** What the API says of networks, read once: all that the oracle knows. */
import { setTimeout as delay } from 'node:timers/promises';
import {
  networksOf,
  taskStates,
  type Endpoints,
  type Network,
  type Node,
  type Service,
  type Task,
} from '../../../api-schemas/index.ts';
import type { Api } from '../lab-client.ts';

export interface Objects {
  readonly networks: readonly Network[];
  readonly services: readonly Service[];
  readonly tasks: readonly Task[];
  readonly nodes: readonly Node[];
  readonly endpoints: readonly Endpoints[];
}

/** Asks until the API answers, as its leader may just have been killed. */
export async function readObjects(api: Api, ms = 20_000): Promise<Objects> {
  for (const until = Date.now() + ms; ; await delay(200))
    try {
      const [networks, services, tasks, nodes, endpoints] = await Promise.all([
        api.list('Network'),
        api.list('Service'),
        api.list('Task'),
        api.list('Node'),
        api.list('Endpoints'),
      ]);
      return {
        networks: networks.items,
        services: services.items,
        tasks: tasks.items,
        nodes: nodes.items,
        endpoints: endpoints.items,
      };
    } catch (error) {
      if (Date.now() > until) throw error;
    }
}

export const keyOf = ({ metadata }: Network): string => `${metadata.namespace ?? 'default'}/${metadata.name}`;

/** Keys of the networks of a task, that of the default route first. */
export const keysOf = ({ metadata, spec }: Task): readonly string[] =>
  (spec.networks ?? []).map((name) => `${metadata.namespace ?? 'default'}/${name}`);

const ended = taskStates.indexOf('Complete');
export const isLive = ({ status }: Task): boolean => taskStates.indexOf(status?.state ?? 'New') < ended;

/** Whether each node is to answer a port of a service whose first network it is. */
const isEntry = (network: Network, services: readonly Service[]): boolean =>
  services.some(
    ({ metadata, spec }) =>
      metadata.namespace === network.metadata.namespace &&
      networksOf(spec)[0]?.name === network.metadata.name &&
      (spec.ports ?? []).some(({ mode = 'ingress' }) => mode === 'ingress'),
  );

/** What is wrong in the objects themselves: who is in a network follows from tasks and services. */
export function objectProblems({ networks, services, tasks, nodes }: Objects): readonly string[] {
  return networks.flatMap((network) => {
    const key = keyOf(network);
    const users = tasks.filter((task) => isLive(task) && keysOf(task).includes(key));
    const wanted = isEntry(network, services)
      ? nodes.map(({ metadata }) => metadata.name)
      : users.flatMap(({ spec }) => spec.nodeName ?? []);
    const [are, should] = [Object.keys(network.status?.nodes ?? {}), [...new Set(wanted)]].map((each) => each.sort().join(' ')); // prettier-ignore
    const given = Object.values(network.status?.nodes ?? {}).map(({ gateway }) => gateway);
    const all = [...given, ...Object.values(network.status?.virtualIPs ?? {}), ...users.flatMap((task) => ipOn(task, network) ?? [])]; // prettier-ignore
    const twice = all.filter((ip, i) => all.indexOf(ip) !== i);
    return [
      ...(are === should ? [] : [`api: ${key}: nodes in it are ${are}, and should be ${should}`]),
      ...twice.map((ip) => `api: ${key}: ${ip} was given twice`),
    ];
  });
}

/** The address of a task on a network. */
export const ipOn = ({ status, metadata }: Task, network: Network): string | undefined =>
  metadata.namespace === network.metadata.namespace
    ? status?.addresses?.find((one) => one.network === network.metadata.name)?.ip
    : undefined;
