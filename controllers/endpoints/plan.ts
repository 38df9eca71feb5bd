import {
  ingressPortsOf,
  portsClash,
  withDefaults,
  type Endpoint,
  type Endpoints,
  type Node,
  type Port,
  type Service,
  type Task,
} from '../../api-schemas/index.ts';
import { addressOf, onNetworks, type KnownNetworks } from './networks.ts';
import { apiVersion, keyOf, label, ownerReference } from '../runtime/names.ts';
import { isSettled } from '../runtime/nodes.ts';
import { isReady } from '../runtime/tasks.ts';

/** A port that another service has, or will have. */
export interface Holder {
  readonly port: Port;
  /** `namespace/name` of the service. */
  readonly service: string;
  /** It gives way to an older service that asks for this very number. */
  readonly yields?: boolean;
}

export interface Observed {
  readonly service: Service;
  readonly tasks: readonly Task[];
  readonly nodes: ReadonlyMap<string, Node>;
  readonly endpoints: Endpoints | undefined;
  /** Networks of the service that are there. */
  readonly networks: KnownNetworks;
  /** Ports that this service has to leave alone: of older services, and those chosen for others. */
  readonly holders: readonly Holder[];
  /** TCP ports that are orc's own on some node: none of them is chosen. */
  readonly reserved: readonly number[];
}

export interface Plan {
  readonly endpoints: Endpoints;
  readonly taken: readonly Holder[];
  /** Ports to choose for which none was free. */
  readonly exhausted: readonly Port[];
}

export const firstPort = 30_000;
export const lastPort = 32_767;

/**
 * Returns the Endpoints of a service: the addresses of its ready tasks and its published ports, each decided. A
 * chosen port stays for as long as nobody asks for it by number, and orc itself does not use it; a port that an older
 * service has is left out. And how the service is known on its networks.
 */
export function plan({ service, tasks, nodes, endpoints, networks, holders, reserved }: Observed): Plan {
  const { name, namespace = '', labels } = service.metadata;
  const stack = labels?.[label.stack];
  const { ports, taken, exhausted } = decidePorts(service, endpoints?.ports ?? [], holders, reserved);
  const on = onNetworks(service, networks);
  // What it no longer has, such as an affinity, is not kept.
  const had = new Set(endpoints?.endpoints?.map(({ task }) => task));
  const { networks: _, mode: __, sessionAffinity: ___, ...before } = endpoints ?? {};
  return {
    endpoints: {
      ...before,
      apiVersion,
      kind: 'Endpoints',
      metadata: {
        ...endpoints?.metadata,
        name,
        namespace,
        labels: { [label.service]: name, ...(stack === undefined ? {} : { [label.stack]: stack }) },
        ownerReferences: [ownerReference(service)],
      },
      ports,
      endpoints: tasks
        .filter((task) => isReady(task, nodes) && (had.has(task.metadata.name) || isHeard(task, nodes)))
        .flatMap((task) => addressOf(task, on.networks ?? [], networks))
        .sort(byAddress),
      ...on,
    },
    taken,
    exhausted,
  };
}

/**
 * A machine that comes back after a power cut is no longer lost, and its tasks are as they were when it was last heard
 * of, until its agent has looked at what has become of them: before that none comes in. Those that are in stay, as an
 * agent that only starts anew has them all.
 */
const isHeard = ({ spec }: Task, nodes: ReadonlyMap<string, Node>): boolean =>
  isSettled(nodes.get(spec.nodeName ?? ''));

function decidePorts(
  service: Service,
  before: readonly Port[],
  holders: readonly Holder[],
  reserved: readonly number[],
): { readonly ports: readonly Port[] } & Pick<Plan, 'taken' | 'exhausted'> {
  const ports: Port[] = [];
  const taken: Holder[] = [];
  const exhausted: Port[] = [];
  const wanted = ingressPortsOf(withDefaults(service).spec);
  const own = wanted.filter((port) => port.published !== 0);
  const isFree = (port: Port): boolean =>
    !((port.protocol ?? 'tcp') === 'tcp' && reserved.includes(port.published ?? 0)) &&
    !holders.some((holder) => portsClash(holder.port, port)) &&
    ![...own, ...ports].some((other) => portsClash(other, port));

  for (const port of wanted) {
    if (port.published !== 0) {
      const holder = holders.find((other) => other.yields !== true && portsClash(other.port, port));
      if (holder === undefined) ports.push(port);
      else taken.push({ port, service: holder.service });
      continue;
    }
    const kept = before
      .filter(
        (old) => sameWish(old, port) && (old.published ?? 0) >= firstPort && (old.published ?? 0) <= lastPort,
      )
      .map((old): Port => ({ ...port, published: old.published ?? 0 }))
      .find(isFree);
    const chosen = kept ?? firstFree(port, keyOf(service), isFree);
    if (chosen === undefined) exhausted.push(port);
    else ports.push(chosen);
  }
  return { ports, taken, exhausted };
}

const sameWish = (a: Port, b: Port): boolean =>
  a.target === b.target &&
  (a.protocol ?? 'tcp') === (b.protocol ?? 'tcp') &&
  a.hostIP === b.hostIP &&
  a.name === b.name;

/** Begins at a place that follows from the service's name, so that a service made anew tends to get its port again. */
function firstFree(port: Port, seed: string, isFree: (port: Port) => boolean): Port | undefined {
  const size = lastPort - firstPort + 1;
  const start = [...`${seed}/${port.target}/${port.protocol ?? ''}`].reduce(
    (hash, char) => (hash * 31 + (char.codePointAt(0) ?? 0)) % size,
    7,
  );
  for (let i = 0; i < size; i++) {
    const candidate = { ...port, published: firstPort + ((start + i) % size) };
    if (isFree(candidate)) return candidate;
  }
  return undefined;
}

const byAddress = (a: Endpoint, b: Endpoint): number =>
  (a.slot ?? 0) - (b.slot ?? 0) || (a.task < b.task ? -1 : a.task > b.task ? 1 : 0);
