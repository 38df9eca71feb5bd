import { portsClash, type Node, type Port, type Revision, type Task } from '../../api-schemas/index.ts';
import { joinKey } from '../runtime/names.ts';
import { isFinished } from '../runtime/tasks.ts';
import { demandOf, portKey, type Demand } from './demand.ts';

/** A port that a task holds on a node. */
interface Held {
  readonly port: Port;
  readonly by: string;
}

/** One node as the scheduler sees it; changed only while a plan is being made. */
export interface Seat {
  readonly node: Node;
  readonly name: string;
  usedCpus: number;
  usedMemoryBytes: number;
  readonly usedGeneric: Map<string, number>;
  tasks: number;
  /** `namespace/service` to number of tasks. */
  readonly ofService: Map<string, number>;
  /** `namespace/revision` to number of tasks. */
  readonly ofRevision: Map<string, number>;
  readonly ports: Map<string, Held[]>;
}

export const serviceKey = (task: Task): string => joinKey(task.metadata.namespace ?? '', task.spec.service);
export const revisionKey = (task: Task): string => joinKey(task.metadata.namespace ?? '', task.spec.revision);

const bump = (map: Map<string, number>, key: string, by = 1): void => {
  map.set(key, (map.get(key) ?? 0) + by);
};

/** Returns a seat per node with what its unfinished tasks hold, those that are stopping included. */
export function seatsOf(
  nodes: readonly Node[],
  tasks: readonly Task[],
  revisionOf: (task: Task) => Revision | undefined,
): ReadonlyMap<string, Seat> {
  const seats = new Map<string, Seat>(nodes.map((node) => [node.metadata.name, emptySeat(node)]));
  for (const task of tasks) {
    if (task.spec.nodeName === undefined || isFinished(task)) continue;
    const seat = seats.get(task.spec.nodeName);
    if (seat !== undefined) occupy(seat, task, demandOf(revisionOf(task)));
  }
  return seats;
}

const emptySeat = (node: Node): Seat => ({
  node,
  name: node.metadata.name,
  usedCpus: 0,
  usedMemoryBytes: 0,
  usedGeneric: new Map(),
  tasks: 0,
  ofService: new Map(),
  ofRevision: new Map(),
  ports: new Map(),
});

/** Gives the task its share of the node. */
export function occupy(seat: Seat, task: Task, demand: Demand): void {
  seat.usedCpus += demand.cpus;
  seat.usedMemoryBytes += demand.memoryBytes;
  for (const [kind, amount] of Object.entries(demand.generic)) bump(seat.usedGeneric, kind, amount);
  seat.tasks += 1;
  bump(seat.ofService, serviceKey(task));
  bump(seat.ofRevision, revisionKey(task));
  for (const port of demand.ports) {
    const held = seat.ports.get(portKey(port)) ?? [];
    seat.ports.set(portKey(port), [
      ...held,
      { port, by: joinKey(task.metadata.namespace ?? '', task.metadata.name) },
    ]);
  }
}

/** Returns why the node has no room for one more such task; undefined when it has. */
export function roomRefusal(
  seat: Seat,
  demand: Demand,
  maxPerNode: number,
  revision: string,
): string | undefined {
  const { capacity } = seat.node.status ?? {};
  if (demand.cpus > 0) {
    const free = (capacity?.cpus ?? 0) - seat.usedCpus;
    if (free + 1e-9 < demand.cpus) return `needs ${demand.cpus} CPUs, ${round(free)} free`;
  }
  if (demand.memoryBytes > 0) {
    const free = (capacity?.memoryBytes ?? 0) - seat.usedMemoryBytes;
    if (free < demand.memoryBytes) return `needs ${mebi(demand.memoryBytes)} of memory, ${mebi(free)} free`;
  }
  for (const [kind, amount] of Object.entries(demand.generic)) {
    const free = (capacity?.generic?.[kind] ?? 0) - (seat.usedGeneric.get(kind) ?? 0);
    if (free < amount) return `needs ${amount} ${kind}, ${free} free`;
  }
  for (const port of demand.ports) {
    const holder = seat.ports.get(portKey(port))?.find((held) => portsClash(held.port, port));
    if (holder !== undefined)
      return `host port ${port.published ?? 0}/${port.protocol ?? 'tcp'} is held by task ${holder.by}`;
  }
  if (maxPerNode > 0 && (seat.ofRevision.get(revision) ?? 0) >= maxPerNode) {
    return `has ${maxPerNode} of the service already (maxReplicasPerNode)`;
  }
  return undefined;
}

const round = (n: number): number => Math.max(0, Math.round(n * 1000) / 1000);
const mebi = (bytes: number): string => `${Math.max(0, Math.round(bytes / 1024 ** 2))}Mi`;
