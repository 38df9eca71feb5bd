import { ageColumn, column, conditionOf, nameColumn } from '../columns.ts';
import { defineKind } from '../kind.ts';
import type { Network } from '../types.ts';
import { networkSchema } from './schema.ts';
import { validateNetworkName, validateNetworkSpec } from './validate.ts';

/** `Ready`, or the reason why not. */
function statusText({ metadata, status }: Network): string {
  if (metadata.deletionTimestamp !== undefined) return 'Deleting';
  const wrong = ['Allocated', 'Ready']
    .map((type) => conditionOf(status?.conditions, type))
    .find((condition) => condition?.status !== 'True');
  if (wrong !== undefined) return wrong.reason;
  return conditionOf(status?.conditions, 'Ready') === undefined ? 'Unknown' : 'Ready';
}

export const networkKind = defineKind<'Network'>({
  kind: 'Network',
  group: 'orc.dev',
  version: 'v1',
  plural: 'networks',
  shortNames: ['onet'],
  categories: ['all', 'orc'],
  namespaced: true,
  nameFormat: 'label',
  schema: networkSchema,
  columns: [
    nameColumn,
    column('Subnet', 'Its addresses.', ({ spec, status }) =>
      spec?.external === undefined ? (status?.subnet ?? spec?.subnet) : `external:${spec.external}`,
    ),
    column('Subnet6', 'Its IPv6 prefix.', ({ status }) => status?.subnet6, 1),
    column('VNI', 'Number on the wire.', ({ status }) => status?.vni?.toString()),
    column('Nodes', 'Nodes that are in it.', ({ status }) => String(Object.keys(status?.nodes ?? {}).length)),
    column('Status', '`Ready`, or the reason why not.', statusText),
    ageColumn,
    column(
      'Services',
      'Services with a virtual IP.',
      ({ status }) => String(Object.keys(status?.virtualIPs ?? {}).length),
      1,
    ),
    column(
      'Message',
      'What is, in words.',
      ({ status }) =>
        (conditionOf(status?.conditions, 'Ready') ?? conditionOf(status?.conditions, 'Allocated'))?.message,
      1,
    ),
  ],
  describe: {
    fields: [
      { label: 'Subnet', path: 'status.subnet' },
      { label: 'IPv6 prefix', path: 'status.subnet6' },
      { label: 'VNI', path: 'status.vni' },
      { label: 'External', path: 'spec.external' },
      { label: 'Internal', path: 'spec.internal' },
      { label: 'Attachable', path: 'spec.attachable' },
      { label: 'MTU', path: 'spec.mtu' },
      { label: 'Encrypted', path: 'spec.encrypted' },
      { label: 'Epoch of the keys', path: 'status.epoch' },
      { label: 'Driver options', path: 'spec.driverOptions', as: 'map' },
      { label: 'Nodes', path: 'status.nodes', as: 'map' },
      { label: 'Virtual IPs', path: 'status.virtualIPs', as: 'map' },
      { label: 'Conditions', path: 'status.conditions', as: 'table' },
    ],
    related: [],
  },
  subresources: { status: true },
  validate: ({ metadata, spec }) => [
    ...validateNetworkName(metadata?.name ?? '', 'metadata.name'),
    ...(spec === undefined ? [] : validateNetworkSpec(spec, 'spec')),
  ],
});
