import { int, mapOf, obj, stringMap, type Schema } from '../dialect.ts';
import { conditionsSchema, objectSchema, observedGenerationSchema } from '../metadata/schema.ts';
import { networkSpecSchema } from '../network/schema.ts';
import { serviceSpecSchema } from '../service/schema.ts';

const stackService: Schema = {
  ...serviceSpecSchema,
  title: 'StackService',
  'x-orc-extends': serviceSpecSchema,
  description: 'The spec of a service, and the labels of the object made from it.',
  properties: { ...serviceSpecSchema.properties, labels: stringMap('Labels of the service object.') },
};

const spec = obj(
  'The parts of the application.',
  {
    services: mapOf('Services by name; each becomes the object `<stack>-<name>`.', stackService, {
      maxProperties: 500,
    }),
    networks: mapOf(
      'Networks by name; each becomes the object `<stack>-<name>`. There is always `default`, of the services that name none.',
      networkSpecSchema,
      { maxProperties: 100 },
    ),
  },
  {
    title: 'StackSpec',
    required: ['services'],
    'x-orc-later': {
      volumes: 'volumes that follow their task; name a volume of the node in `mounts`',
      secrets: 'secrets and configs',
      configs: 'secrets and configs',
      jobs: 'jobs',
      cronJobs: 'jobs',
      include: 'stacks made of several files',
    },
    'x-orc-instead': { service: 'services', network: 'networks' },
  },
);

const status = obj(
  'How the stack is. Written by controllers.',
  {
    observedGeneration: observedGenerationSchema,
    services: int('Services of the stack.', 0, Number.MAX_SAFE_INTEGER),
    readyServices: int('Of these, Ready.', 0, Number.MAX_SAFE_INTEGER),
    conditions: conditionsSchema,
  },
  { title: 'StackStatus' },
);

export const stackSchema = objectSchema(
  'Stack',
  'orc.dev/v1',
  'One application: its services, applied, updated and deleted together.',
  { spec, status },
  { required: ['spec'] },
);
