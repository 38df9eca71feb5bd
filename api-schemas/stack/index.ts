import { ageColumn, column, conditionOf, conditionText, nameColumn } from '../columns.ts';
import { defineKind } from '../kind.ts';
import { serviceDefaults } from '../service/defaults.ts';
import { stackSchema } from './schema.ts';
import { validateStack } from './validate.ts';

export const stackKind = defineKind<'Stack'>({
  kind: 'Stack',
  group: 'orc.dev',
  version: 'v1',
  plural: 'stacks',
  shortNames: ['ostack'],
  categories: ['all', 'orc'],
  namespaced: true,
  nameFormat: 'label',
  schema: stackSchema,
  columns: [
    nameColumn,
    column(
      'Services',
      'Ready services of all.',
      ({ spec, status }) =>
        `${status?.readyServices ?? 0}/${status?.services ?? Object.keys(spec.services).length}`,
    ),
    column('Ready', '`True`, or the reason why not.', ({ status }) =>
      conditionText(status?.conditions, 'Ready'),
    ),
    ageColumn,
    column(
      'Message',
      'The first cause, in words.',
      ({ status }) => conditionOf(status?.conditions, 'Ready')?.message,
      1,
    ),
  ],
  describe: {
    fields: [
      { label: 'Services', path: 'status.services' },
      { label: 'Ready', path: 'status.readyServices' },
      { label: 'Conditions', path: 'status.conditions', as: 'table' },
    ],
    related: [{ kind: 'Service', by: 'owner' }],
  },
  subresources: { status: true },
  validate: validateStack,
  defaults: (stack) => ({
    ...stack,
    spec: {
      ...stack.spec,
      services: Object.fromEntries(
        Object.entries(stack.spec.services ?? {}).map(([name, spec]) => [name, serviceDefaults(spec)]),
      ),
    },
  }),
});
