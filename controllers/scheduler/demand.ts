import {
  parseBytes,
  parseCpus,
  type Port,
  type Revision,
  type TaskTemplate,
} from '../../api-schemas/index.ts';

/** What a task takes away from a node. */
export interface Demand {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly generic: Readonly<Record<string, number>>;
  readonly ports: readonly Port[];
}

export const noDemand: Demand = { cpus: 0, memoryBytes: 0, generic: {}, ports: [] };

const known = new WeakMap<TaskTemplate, Demand>();

/** Returns the reservations and fixed host ports of a revision's tasks; worked out once per revision. */
export function demandOf(revision: Revision | undefined): Demand {
  if (revision === undefined) return noDemand;
  const { template, hostPorts = [] } = revision.spec;
  const before = known.get(template);
  if (before !== undefined) return before;
  const reserved = template.resources?.reservations ?? {};
  const demand: Demand = {
    cpus: reserved.cpus === undefined ? 0 : parseCpus(reserved.cpus),
    memoryBytes: reserved.memory === undefined ? 0 : parseBytes(reserved.memory),
    generic: reserved.generic ?? {},
    ports: hostPorts.filter((port) => (port.published ?? 0) !== 0),
  };
  known.set(template, demand);
  return demand;
}

export const portKey = (port: Port): string => `${port.protocol ?? 'tcp'}/${port.published ?? 0}`;
