import { ageColumn, column, nameColumn } from '../columns.ts';
import { defineKind } from '../kind.ts';
import { leaseSchema } from './schema.ts';

export const leaseKind = defineKind<'Lease'>({
  kind: 'Lease',
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  shortNames: [],
  categories: [],
  namespaced: true,
  schema: leaseSchema,
  columns: [nameColumn, column('Holder', 'Who holds it.', ({ spec }) => spec?.holderIdentity), ageColumn],
  describe: {
    fields: [
      { label: 'Holder', path: 'spec.holderIdentity' },
      { label: 'Duration (s)', path: 'spec.leaseDurationSeconds' },
      { label: 'Acquired', path: 'spec.acquireTime', as: 'age' },
      { label: 'Renewed', path: 'spec.renewTime', as: 'age' },
      { label: 'Transitions', path: 'spec.leaseTransitions' },
    ],
    related: [],
  },
  subresources: { status: false },
});
