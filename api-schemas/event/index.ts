import { column, nameColumn } from '../columns.ts';
import { defineKind } from '../kind.ts';
import type { Event } from '../types.ts';
import { age } from '../units.ts';
import { eventSchema } from './schema.ts';

const lastSeen = ({ lastTimestamp, firstTimestamp, metadata }: Event): string | undefined =>
  lastTimestamp || firstTimestamp || metadata.creationTimestamp;

export const eventKind = defineKind<'Event'>({
  kind: 'Event',
  group: '',
  version: 'v1',
  plural: 'events',
  shortNames: ['ev'],
  categories: [],
  namespaced: true,
  schema: eventSchema,
  columns: [
    column('Last Seen', 'When it happened last.', (event, now) => age(lastSeen(event), now)),
    column('Type', 'Normal or Warning.', ({ type }) => type),
    column('Reason', 'Word for programs.', ({ reason }) => reason),
    column(
      'Object',
      'What it is about.',
      ({ involvedObject: { kind, name } }) => `${(kind ?? '').toLowerCase()}/${name ?? ''}`,
    ),
    column(
      'Source',
      'Who says so.',
      ({ source }) => [source?.component, source?.host].filter(Boolean).join(', '),
      1,
    ),
    column('Message', 'What happened.', ({ message }) => message?.trim()),
    column('First Seen', 'When it happened first.', (event, now) => age(event.firstTimestamp, now), 1),
    column('Count', 'How often.', ({ count }) => String(count ?? 1), 1),
    { ...nameColumn, priority: 1 },
  ],
  describe: {
    fields: [
      { label: 'Type', path: 'type' },
      { label: 'Reason', path: 'reason' },
      { label: 'Message', path: 'message' },
      { label: 'Object', path: 'involvedObject', as: 'map' },
      { label: 'Source', path: 'source', as: 'map' },
      { label: 'Count', path: 'count' },
      { label: 'First seen', path: 'firstTimestamp', as: 'age' },
      { label: 'Last seen', path: 'lastTimestamp', as: 'age' },
    ],
    related: [],
  },
  subresources: { status: false },
  selectableFields: [
    'involvedObject.kind',
    'involvedObject.namespace',
    'involvedObject.name',
    'involvedObject.uid',
    'involvedObject.apiVersion',
    'involvedObject.resourceVersion',
    'involvedObject.fieldPath',
    'reason',
    'reportingComponent',
    'source',
    'type',
  ],
});
