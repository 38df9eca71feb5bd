import {
  anything,
  bool,
  int,
  list,
  listBy,
  obj,
  oneOf,
  setOf,
  str,
  stringMap,
  type Schema,
} from '../dialect.ts';

const time = (description: string): Schema => str(description, { format: 'date-time' });

const ownerReference = obj(
  'An object that this one belongs to and goes away with.',
  {
    apiVersion: str('API version of the owner.', { minLength: 1 }),
    kind: str('Kind of the owner.', { minLength: 1 }),
    name: str('Name of the owner, in the same namespace or of cluster scope.', { minLength: 1 }),
    uid: str('UID of the owner.', { minLength: 1 }),
    controller: bool('The owner manages this object; at most one does.'),
    blockOwnerDeletion: bool('In a foreground deletion the owner waits until this object is gone.'),
  },
  { title: 'OwnerReference', required: ['apiVersion', 'kind', 'name', 'uid'] },
);

const managedFieldsEntry = obj(
  'The fields that one manager owns.',
  {
    manager: str('Name of the manager.'),
    operation: oneOf('How the fields were written.', ['Apply', 'Update']),
    apiVersion: str('API version of the fields.'),
    time: time('When the manager last changed its fields.'),
    fieldsType: oneOf('Format of `fieldsV1`.', ['FieldsV1']),
    fieldsV1: anything('The fields, as Kubernetes writes them.'),
    subresource: str('Subresource they were written through.'),
  },
  {
    title: 'ManagedFieldsEntry',
    'x-orc-always': ['manager', 'operation', 'apiVersion', 'fieldsType', 'fieldsV1'],
  },
);

/** `metadata` of every object. */
export const metadataSchema = obj(
  'What identifies the object. Fields but name, namespace, labels, annotations, ownerReferences and finalizers are written by the server.',
  {
    name: str('Unique within kind and namespace. Cannot change.', { minLength: 1 }),
    generateName: str('Prefix from which the server makes a unique name when `name` is absent.', {
      maxLength: 248,
    }),
    namespace: str('Namespace of the object; empty for kinds of cluster scope.'),
    uid: str('Unique in time and space; a new object of the same name has another.'),
    resourceVersion: str(
      'Changes with each write; opaque. An update with another one than the stored is a conflict.',
    ),
    generation: int('Rises by one with each change of what is wanted.', 0, Number.MAX_SAFE_INTEGER),
    creationTimestamp: { ...time('When the object was created.'), nullable: true },
    deletionTimestamp: {
      ...time('When the deletion was asked for; the object goes when `finalizers` is empty.'),
      nullable: true,
    },
    deletionGracePeriodSeconds: int('Seconds the object has for a graceful end.', 0, 2 ** 31 - 1),
    labels: stringMap('Words to select objects by.'),
    annotations: stringMap('Notes for people and tools; never selected by.'),
    ownerReferences: listBy(['uid'], 'Objects that this one goes away with.', ownerReference),
    finalizers: setOf(
      'Who still has to clean up before the object may vanish.',
      str('A qualified name.', { minLength: 1 }),
    ),
    managedFields: list('Which manager owns which fields; written by the server.', managedFieldsEntry),
  },
  {
    title: 'ObjectMeta',
    'x-orc-always': ['name'],
    'x-orc-instead': { label: 'labels', annotation: 'annotations' },
  },
);

const condition = obj(
  'One aspect of the state of the object, in words.',
  {
    type: str('UpperCamel name of the aspect, e.g. `Ready`.', { minLength: 1 }),
    status: oneOf('Whether it holds.', ['True', 'False', 'Unknown']),
    reason: str('UpperCamel word for programs.'),
    message: str('A sentence for people: what is, and what to do.'),
    lastTransitionTime: time('When `status` last changed.'),
    observedGeneration: int('The `metadata.generation` this was decided for.', 0, Number.MAX_SAFE_INTEGER),
  },
  { title: 'Condition', required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'] },
);

export const conditionsSchema = listBy(
  ['type'],
  'What holds of the object now, each with the reason why.',
  condition,
);

export const observedGenerationSchema = int(
  'The `metadata.generation` that this status is about.',
  0,
  Number.MAX_SAFE_INTEGER,
);

/** The schema of an object: apiVersion, kind, metadata and `properties`. */
export const objectSchema = (
  kind: string,
  apiVersion: string,
  description: string,
  properties: Readonly<Record<string, Schema>>,
  extra: Omit<Partial<Schema>, 'type' | 'description'> = {},
): Schema =>
  obj(
    description,
    {
      apiVersion: oneOf(`\`${apiVersion}\`.`, [apiVersion]),
      kind: oneOf(`\`${kind}\`.`, [kind]),
      metadata: metadataSchema,
      ...properties,
    },
    { title: kind, ...extra, required: ['apiVersion', 'kind', 'metadata', ...(extra.required ?? [])] },
  );
