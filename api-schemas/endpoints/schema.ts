import { int, list, obj, str } from '../dialect.ts';
import { objectSchema } from '../metadata/schema.ts';
import { portsSchema } from '../service/ports.ts';

const endpoint = obj(
  'A task that takes traffic.',
  {
    task: str('Name of the task.', { minLength: 1 }),
    slot: int('Slot of the task; absent in a global service.', 1, Number.MAX_SAFE_INTEGER),
    nodeName: str('Node the task runs on.', { minLength: 1 }),
    ip: str('Address of the task.', { format: 'ip' }),
  },
  { title: 'Endpoint', required: ['task', 'nodeName', 'ip'] },
);

export const endpointsSchema = objectSchema(
  'Endpoints',
  'orc.dev/v1',
  'The ready addresses of the service of the same name. Has no spec: it is derived.',
  {
    ports: portsSchema('Published ports with `published` decided (never 0).'),
    endpoints: list('Ready tasks.', endpoint),
  },
);
