import { ageColumn, column, joined, nameColumn } from '../columns.ts';
import { defineKind } from '../kind.ts';
import type { Task } from '../types.ts';
import { taskSchema } from './schema.ts';

/** The state, and the reason where the state alone does not say it: `Pending (NoNodeFits)`. */
export function taskStateText({ spec, status }: Task): string {
  const state = status?.state ?? 'New';
  if (status?.reason !== undefined && status.reason !== '' && status.reason !== state)
    return `${state} (${status.reason})`;
  return spec.desiredState === 'Shutdown' && state === 'Running' ? 'Running (Stopping)' : state;
}

/** Users read and delete tasks (a deleted one is replaced); `replicas` creates them. */
export const taskKind = defineKind<'Task'>({
  kind: 'Task',
  group: 'orc.dev',
  version: 'v1',
  plural: 'tasks',
  shortNames: ['otask'],
  categories: ['all', 'orc'],
  namespaced: true,
  schema: taskSchema,
  columns: [
    nameColumn,
    column('Service', 'Service it belongs to.', ({ spec }) => spec.service),
    column('Slot', 'Slot in a replicated service.', ({ spec }) => spec.slot?.toString()),
    column('Node', 'Node it runs on.', ({ spec }) => spec.nodeName),
    column('State', 'State, and the reason for it.', taskStateText),
    {
      ...column<Task>('Restarts', 'Consecutive failures of the slot before it.', () => ''),
      type: 'integer',
      cell: ({ spec }) => spec.restarts ?? 0,
    },
    ageColumn,
    column('IP', 'Addresses.', ({ status }) => joined(status?.addresses?.map(({ ip }) => ip)), 1),
    column('Desired', 'State it is meant to be in.', ({ spec }) => spec.desiredState, 1),
    column('Revision', 'Revision it runs.', ({ spec }) => spec.revision, 1),
    column('Message', 'What is, in words.', ({ status }) => status?.message, 1),
  ],
  describe: {
    fields: [
      { label: 'Service', path: 'spec.service' },
      { label: 'Revision', path: 'spec.revision' },
      { label: 'Slot', path: 'spec.slot' },
      { label: 'Node', path: 'spec.nodeName' },
      { label: 'Networks', path: 'spec.networks', as: 'list' },
      { label: 'Desired', path: 'spec.desiredState' },
      { label: 'State', path: 'status.state' },
      { label: 'Reason', path: 'status.reason' },
      { label: 'Message', path: 'status.message' },
      { label: 'Since', path: 'status.since', as: 'age' },
      { label: 'Not before', path: 'spec.notBefore', as: 'age' },
      { label: 'Restarts', path: 'spec.restarts' },
      { label: 'Container', path: 'status.containerID' },
      { label: 'Exit code', path: 'status.exitCode' },
      { label: 'Started', path: 'status.startedAt', as: 'age' },
      { label: 'Finished', path: 'status.finishedAt', as: 'age' },
      { label: 'Addresses', path: 'status.addresses', as: 'table' },
      { label: 'Ports', path: 'status.ports', as: 'table' },
      { label: 'Conditions', path: 'status.conditions', as: 'table' },
    ],
    related: [],
  },
  subresources: { status: true },
  selectableFields: ['spec.nodeName', 'spec.service', 'spec.desiredState', 'status.state'],
  readOnly: ['create', 'update'],
});
