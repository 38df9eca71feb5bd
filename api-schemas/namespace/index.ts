import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../kind.ts';
import { namespaceSchema } from './schema.ts';

export const namespaceKind = defineKind<'Namespace'>({
  kind: 'Namespace',
  group: '',
  version: 'v1',
  plural: 'namespaces',
  shortNames: ['ns'],
  categories: [],
  namespaced: false,
  nameFormat: 'label',
  schema: namespaceSchema,
  columns: [
    nameColumn,
    column(
      'Status',
      'Active, or on its way out.',
      ({ metadata, status }) =>
        status?.phase ?? (metadata.deletionTimestamp === undefined ? 'Active' : 'Terminating'),
    ),
    ageColumn,
  ],
  describe: {
    fields: [
      { label: 'Status', path: 'status.phase' },
      { label: 'Conditions', path: 'status.conditions', as: 'table' },
    ],
    related: [],
  },
  subresources: { status: true },
  selectableFields: ['status.phase'],
});
