import { ageColumn, column, nameColumn } from '../columns.ts';
import { shortImage } from '../image.ts';
import { defineKind } from '../kind.ts';
import { revisionSchema } from './schema.ts';

/** Users read revisions; `rollout` writes them. */
export const revisionKind = defineKind<'Revision'>({
  kind: 'Revision',
  group: 'orc.dev',
  version: 'v1',
  plural: 'revisions',
  shortNames: ['orev'],
  categories: ['orc'],
  namespaced: true,
  schema: revisionSchema,
  columns: [
    nameColumn,
    column('Service', 'Service it is a revision of.', ({ spec }) => spec.service),
    column('Number', 'Rises by one per new template.', ({ spec }) => String(spec.number)),
    column(
      'Replicas',
      'Ready tasks of the slots it has.',
      ({ spec, status }) => `${status?.ready ?? 0}/${spec.replicas}`,
    ),
    column('Image', 'Image of the tasks.', ({ spec }) => shortImage(spec.template.image)),
    ageColumn,
  ],
  describe: {
    fields: [
      { label: 'Service', path: 'spec.service' },
      { label: 'Number', path: 'spec.number' },
      { label: 'Slots', path: 'spec.replicas' },
      { label: 'Tasks', path: 'status.replicas' },
      { label: 'Ready', path: 'status.ready' },
      { label: 'Template', path: 'spec.template', as: 'map' },
    ],
    related: [{ kind: 'Task', by: { field: 'spec.revision' } }],
  },
  subresources: { status: true },
  selectableFields: ['spec.service'],
  readOnly: ['create', 'update', 'delete'],
});
