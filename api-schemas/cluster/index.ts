import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../kind.ts';
import { clusterSchema } from './schema.ts';
import { validateKeyRotation, validatePool6, validatePools } from './validate.ts';

/** Name of the one Cluster object. */
export const clusterName = 'orc';

/** Servers create it and write its status; admins set its spec. */
export const clusterKind = defineKind<'Cluster'>({
  kind: 'Cluster',
  group: 'orc.dev',
  version: 'v1',
  plural: 'clusters',
  shortNames: [],
  categories: [],
  namespaced: false,
  schema: clusterSchema,
  columns: [
    nameColumn,
    column('Managers', 'How many managers have joined.', ({ status }) =>
      String(Object.keys(status?.managers ?? {}).length),
    ),
    column('CA', 'How far replacing the CA is.', ({ status }) => status?.ca?.phase, 1),
    ageColumn,
  ],
  describe: {
    fields: [
      { label: 'Managers', path: 'status.managers', as: 'map' },
      { label: 'Token generations', path: 'spec.tokens', as: 'map' },
      { label: 'Network pools', path: 'spec.networks.pools', as: 'table' },
      { label: 'IPv6 pool', path: 'status.ipv6Pool' },
      { label: 'CA', path: 'status.ca', as: 'map' },
      { label: 'Network keys', path: 'status.keys', as: 'map' },
      { label: 'Conditions', path: 'status.conditions', as: 'table' },
    ],
    related: [],
  },
  subresources: { status: true },
  validate: ({ spec }) => [
    ...validatePools(spec?.networks?.pools, 'spec.networks.pools'),
    ...validatePool6(spec?.networks?.ipv6Pool, 'spec.networks.ipv6Pool'),
    ...validateKeyRotation(spec?.networks?.keyRotation, 'spec.networks.keyRotation'),
  ],
  readOnly: ['create', 'delete'],
});
