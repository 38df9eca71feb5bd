import { ageColumn, column, joined, nameColumn } from '../columns.ts';
import { defineKind } from '../kind.ts';
import { formatPort } from '../service/columns.ts';
import { endpointsSchema } from './schema.ts';

const shown = 3;

/** Users read endpoints; the controller of that name writes them. */
export const endpointsKind = defineKind<'Endpoints'>({
  kind: 'Endpoints',
  group: 'orc.dev',
  version: 'v1',
  plural: 'endpoints',
  shortNames: ['oep'],
  categories: ['orc'],
  namespaced: true,
  nameFormat: 'label',
  schema: endpointsSchema,
  columns: [
    nameColumn,
    column('Endpoints', 'Ready addresses.', ({ endpoints = [] }) => {
      const first = endpoints.slice(0, shown).map(({ ip }) => ip);
      const more = endpoints.length - first.length;
      return more > 0 ? `${joined(first)} + ${more} more...` : joined(first);
    }),
    column('Ports', 'Published ports.', ({ ports }) => joined(ports?.map(formatPort))),
    ageColumn,
  ],
  describe: {
    fields: [
      { label: 'Ports', path: 'ports', as: 'table' },
      { label: 'Mode', path: 'mode' },
      { label: 'Networks', path: 'networks', as: 'table' },
      { label: 'Endpoints', path: 'endpoints', as: 'table' },
    ],
    related: [],
  },
  subresources: { status: false },
  readOnly: ['create', 'update', 'delete'],
});
