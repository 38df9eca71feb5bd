import { int, obj, str } from '../dialect.ts';
import { objectSchema } from '../metadata/schema.ts';
import { portsSchema } from '../service/ports.ts';
import { taskTemplateSchema } from '../task-template/schema.ts';

const many = Number.MAX_SAFE_INTEGER;

const spec = obj(
  'The template, and how many slots run it now.',
  {
    service: str('Service in the same namespace that this is a revision of.', { minLength: 1 }),
    number: int('Rises by one per new template of a service.', 1, many),
    template: taskTemplateSchema,
    hostPorts: portsSchema(
      'Ports of mode `host`: they belong to the container, so a change of them makes a new revision.',
    ),
    replicas: int(
      'How many slots should run this revision now; written by `rollout`, acted on by `replicas`.',
      0,
      many,
    ),
  },
  { title: 'RevisionSpec', required: ['service', 'number', 'template', 'replicas'] },
);

const status = obj('How the revision is.', {
  replicas: int('Tasks of the revision that are meant to run.', 0, many),
  ready: int('Of these, Running.', 0, many),
});

export const revisionSchema = objectSchema(
  'Revision',
  'orc.dev/v1',
  'An immutable snapshot of the task template of a service; together they are its history.',
  { spec, status },
  { required: ['spec'] },
);
