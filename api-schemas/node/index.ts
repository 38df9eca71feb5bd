import { ageColumn, column, conditionText, nameColumn } from '../columns.ts';
import { defineKind } from '../kind.ts';
import type { Node } from '../types.ts';
import { formatBytes } from '../units.ts';
import { nodeSchema } from './schema.ts';

const statusText = ({ spec, status }: Node): string => {
  const ready = conditionText(status?.conditions, 'Ready');
  const state = ready === 'True' ? 'Ready' : ready === 'Unknown' ? 'Unknown' : `NotReady (${ready})`;
  const availability = spec?.availability ?? 'active';
  return availability === 'active' ? state : `${state},${availability === 'pause' ? 'Cordoned' : 'Draining'}`;
};

/** `worker (to be manager)`: a change of role may wait, and is not to be forgotten meanwhile. */
const roleText = ({ spec, status }: Node): string | undefined => {
  const [wanted, role] = [spec?.role, status?.role];
  return wanted === undefined || wanted === role ? role : `${role ?? 'none'} (to be ${wanted})`;
};

/** Sessions create nodes; users set spec, labels and annotations, and delete nodes that are gone. */
export const nodeKind = defineKind<'Node'>({
  kind: 'Node',
  group: 'orc.dev',
  version: 'v1',
  plural: 'nodes',
  shortNames: ['onode'],
  categories: ['orc'],
  namespaced: false,
  schema: nodeSchema,
  columns: [
    nameColumn,
    column('Status', 'Whether it takes tasks, and why not.', statusText),
    column('Role', 'Manager or worker, and what it is to be.', roleText),
    ageColumn,
    column('Engine', 'Version of the container engine.', ({ status }) => status?.engine?.version),
    column('Address', 'Address others reach it by.', ({ status }) => status?.addresses?.[0], 1),
    column(
      'Platform',
      'Images it runs.',
      ({ status }) => status?.platform && `${status.platform.os}/${status.platform.arch}`,
      1,
    ),
    column('CPUs', 'Cores.', ({ status }) => status?.capacity?.cpus.toString(), 1),
    column(
      'Memory',
      'Memory.',
      ({ status }) => {
        const bytes = status?.capacity?.memoryBytes;
        return bytes === undefined ? undefined : formatBytes(Math.floor(bytes / 2 ** 20) * 2 ** 20);
      },
      1,
    ),
    column('Agent', 'Version of the agent.', ({ status }) => status?.agentVersion, 1),
  ],
  describe: {
    fields: [
      { label: 'Availability', path: 'spec.availability' },
      { label: 'Role', path: 'status.role' },
      { label: 'Hostname', path: 'status.hostname' },
      { label: 'Addresses', path: 'status.addresses', as: 'list' },
      { label: 'Platform', path: 'status.platform', as: 'map' },
      { label: 'Capacity', path: 'status.capacity', as: 'map' },
      { label: 'Engine', path: 'status.engine', as: 'map' },
      { label: 'Agent', path: 'status.agentVersion' },
      { label: 'Session', path: 'status.session', as: 'map' },
      { label: 'Conditions', path: 'status.conditions', as: 'table' },
    ],
    related: [{ kind: 'Task', by: { field: 'spec.nodeName' } }],
  },
  subresources: { status: true },
  readOnly: ['create'],
});
