/** The schemas of our kinds as OpenAPI 3.0 components, under the names that Kubernetes' tools expect. */
import { kinds, type AnyKindDef, type Schema } from '../../api-schemas/index.ts';

export type Node = Readonly<Record<string, unknown>>;

interface Gvk {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export interface Component {
  readonly name: string;
  readonly schema: Node;
}

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
export const objectMetaName = `${meta}.ObjectMeta`;
export const listMetaName = `${meta}.ListMeta`;
export const statusName = `${meta}.Status`;
export const deleteOptionsName = `${meta}.DeleteOptions`;
export const scaleName = 'io.k8s.api.autoscaling.v1.Scale';

/** `dev.orc.v1.Service`; core kinds as Kubernetes names them. */
export function componentName({ group, version, kind }: Gvk): string {
  if (group === '') return `io.k8s.api.core.${version}.${kind}`;
  if (group.endsWith('.k8s.io')) return `io.k8s.api.${group.split('.')[0] ?? ''}.${version}.${kind}`;
  return `${group.split('.').reverse().join('.')}.${version}.${kind}`;
}

export const gvk = ({ group, version, kind }: Gvk): Node => ({
  group,
  version,
  kind,
});

export const ref = (name: string): string => `#/components/schemas/${name}`;

/** Formats that OpenAPI knows; ours are told in the description. */
const knownFormats = new Set(['date-time', 'int32', 'int64', 'byte', 'uri']);

function convert(schema: Schema): Node {
  const { properties, items, additionalProperties, anyOf, format, ...rest } = schema;
  const plain = Object.fromEntries(
    Object.entries(rest).filter(([key]) => !key.startsWith('x-orc-') && key !== 'title'),
  );
  return {
    ...plain,
    ...(format !== undefined && knownFormats.has(format) ? { format } : {}),
    ...(properties === undefined ? {} : { properties: mapValues(properties, convert) }),
    ...(items === undefined ? {} : { items: convert(items) }),
    ...(additionalProperties === undefined ? {} : { additionalProperties: convert(additionalProperties) }),
    ...(anyOf === undefined ? {} : { anyOf: anyOf.map(convert) }),
  };
}

const mapValues = <A, B>(
  object: Readonly<Record<string, A>>,
  fn: (value: A) => B,
): Readonly<Record<string, B>> =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, fn(value)]));

const apiVersionField: Node = {
  type: 'string',
  description: 'APIVersion defines the versioned schema of this representation of an object.',
};
const kindField: Node = {
  type: 'string',
  description: 'Kind is a string value representing the REST resource this object represents.',
};

function kindComponent(def: AnyKindDef): Component {
  const schema = convert(def.schema);
  const properties = {
    ...(schema['properties'] as Node),
    apiVersion: apiVersionField,
    kind: kindField,
    metadata: {
      allOf: [{ $ref: ref(objectMetaName) }],
      default: {},
      description: def.schema.properties?.['metadata']?.description,
    },
  };
  // kubectl fills these in itself and would complain of them in the wrong words.
  const required = (def.schema.required ?? []).filter(
    (name) => !['apiVersion', 'kind', 'metadata'].includes(name),
  );
  const { required: _required, ...rest } = schema;
  return {
    name: componentName(def),
    schema: {
      ...rest,
      properties,
      ...(required.length === 0 ? {} : { required }),
      'x-kubernetes-group-version-kind': [gvk(def)],
    },
  };
}

function listComponent(def: AnyKindDef): Component {
  const list = { ...def, kind: `${def.kind}List` };
  return {
    name: componentName(list),
    schema: {
      type: 'object',
      description: `A list of ${def.plural}.`,
      required: ['items'],
      properties: {
        apiVersion: apiVersionField,
        kind: kindField,
        metadata: { allOf: [{ $ref: ref(listMetaName) }], default: {} },
        items: { type: 'array', items: { allOf: [{ $ref: ref(componentName(def)) }], default: {} } },
      },
      'x-kubernetes-group-version-kind': [gvk(list)],
    },
  };
}

const text = (description: string): Node => ({ type: 'string', description });

function shared(): readonly Component[] {
  const [any] = kinds;
  const metadata = any?.schema.properties?.['metadata'];
  return [
    { name: objectMetaName, schema: metadata === undefined ? { type: 'object' } : convert(metadata) },
    {
      name: listMetaName,
      schema: {
        type: 'object',
        description: 'Metadata of a list.',
        properties: {
          resourceVersion: text('The version of the store that the list shows.'),
          continue: text('Token of the next page.'),
          remainingItemCount: { type: 'integer', format: 'int64', description: 'Items after this page.' },
        },
      },
    },
    {
      name: statusName,
      schema: {
        type: 'object',
        description: 'The outcome of a request.',
        properties: {
          apiVersion: apiVersionField,
          kind: kindField,
          status: text('Success or Failure.'),
          message: text('What happened, for people.'),
          reason: text('What happened, for programs.'),
          code: { type: 'integer', format: 'int32', description: 'HTTP status.' },
          details: {
            type: 'object',
            description: 'More, by field.',
            'x-kubernetes-preserve-unknown-fields': true,
          },
        },
        'x-kubernetes-group-version-kind': [{ group: '', version: 'v1', kind: 'Status' }],
      },
    },
    {
      name: deleteOptionsName,
      schema: {
        type: 'object',
        description: 'How to delete.',
        properties: {
          apiVersion: apiVersionField,
          kind: kindField,
          gracePeriodSeconds: { type: 'integer', format: 'int64', description: 'Accepted and not used.' },
          propagationPolicy: text('Background, Foreground or Orphan.'),
          dryRun: { type: 'array', items: text('All.'), description: 'Say what would be, and do nothing.' },
          preconditions: {
            type: 'object',
            description: 'Delete only if these hold.',
            properties: { uid: text('UID.'), resourceVersion: text('Version.') },
          },
        },
      },
    },
    {
      name: scaleName,
      schema: {
        type: 'object',
        description: 'How many replicas are wanted and are there.',
        properties: {
          apiVersion: apiVersionField,
          kind: kindField,
          metadata: { allOf: [{ $ref: ref(objectMetaName) }], default: {} },
          spec: {
            type: 'object',
            description: 'What is wanted.',
            properties: { replicas: { type: 'integer', format: 'int32', description: 'Replicas.' } },
          },
          status: {
            type: 'object',
            description: 'What is.',
            properties: {
              replicas: { type: 'integer', format: 'int32', description: 'Replicas.' },
              selector: text('Label selector of the tasks.'),
            },
          },
        },
        'x-kubernetes-group-version-kind': [{ group: 'autoscaling', version: 'v1', kind: 'Scale' }],
      },
    },
  ];
}

/** The components of these kinds, and what they share. */
export const componentsOf = (defs: readonly AnyKindDef[]): readonly Component[] => [
  ...shared(),
  ...defs.flatMap((def) => [kindComponent(def), listComponent(def)]),
];
