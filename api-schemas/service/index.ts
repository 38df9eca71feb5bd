import { defineKind } from '../kind.ts';
import { serviceColumns } from './columns.ts';
import { serviceDefaults } from './defaults.ts';
import { serviceSchema } from './schema.ts';
import { validateService } from './validate.ts';

export const serviceKind = defineKind<'Service'>({
  kind: 'Service',
  group: 'orc.dev',
  version: 'v1',
  plural: 'services',
  shortNames: ['osvc'],
  categories: ['all', 'orc'],
  namespaced: true,
  nameFormat: 'label',
  schema: serviceSchema,
  columns: serviceColumns,
  describe: {
    fields: [
      { label: 'Mode', path: 'spec.mode' },
      { label: 'Desired', path: 'status.desired' },
      { label: 'Replicas', path: 'status.replicas' },
      { label: 'Ready', path: 'status.ready' },
      { label: 'Updated', path: 'status.updated' },
      { label: 'Revision', path: 'status.currentRevision' },
      { label: 'Image', path: 'spec.image' },
      { label: 'Entrypoint', path: 'spec.entrypoint', as: 'list' },
      { label: 'Command', path: 'spec.command', as: 'list' },
      { label: 'Ports', path: 'status.ports', as: 'table' },
      { label: 'Networks', path: 'spec.networks', as: 'table' },
      { label: 'Network mode', path: 'spec.networkMode' },
      { label: 'Endpoint mode', path: 'spec.endpointMode' },
      { label: 'Mounts', path: 'spec.mounts', as: 'table' },
      { label: 'Resources', path: 'spec.resources', as: 'map' },
      { label: 'Healthcheck', path: 'spec.healthcheck', as: 'map' },
      { label: 'Placement', path: 'spec.placement.constraints', as: 'list' },
      { label: 'Update', path: 'spec.update', as: 'map' },
      { label: 'Restart', path: 'spec.restart', as: 'map' },
      { label: 'Conditions', path: 'status.conditions', as: 'table' },
    ],
    related: [
      { kind: 'Revision', by: 'owner' },
      { kind: 'Task', by: 'owner' },
      { kind: 'Endpoints', by: 'name' },
    ],
  },
  subresources: {
    status: true,
    scale: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      selectorPath: '.status.selector',
    },
  },
  selectableFields: ['spec.mode', 'spec.image'],
  validate: validateService,
  defaults: (service) => ({ ...service, spec: serviceDefaults(service.spec) }),
});
