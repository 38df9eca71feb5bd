import { int, list, listBy, obj, oneOf, str, strings } from '../dialect.ts';
import { objectSchema } from '../metadata/schema.ts';
import { sessionAffinitySchema } from '../network/attachment.ts';
import { networkAddressSchema } from '../network/schema.ts';
import { portsSchema } from '../service/ports.ts';

const endpoint = obj(
  'A task that takes traffic.',
  {
    task: str('Name of the task.', { minLength: 1 }),
    slot: int('Slot of the task; absent in a global service.', 1, Number.MAX_SAFE_INTEGER),
    nodeName: str('Node the task runs on.', { minLength: 1 }),
    ip: str('Address of the task, on the first of its networks.', { format: 'ip' }),
    addresses: list('Its address on each network of the service.', networkAddressSchema),
  },
  { title: 'Endpoint', required: ['task', 'nodeName', 'ip'] },
);

const network = obj(
  'How the service is known on one network.',
  {
    network: str('Name of the network.', { minLength: 1 }),
    virtualIP: str('Its address there; absent with `mode: dnsrr`, and until it has one.', { format: 'ip' }),
    aliases: strings('Its further names there.'),
  },
  { title: 'ServiceNetwork', required: ['network'] },
);

export const endpointsSchema = objectSchema(
  'Endpoints',
  'orc.dev/v1',
  'The ready addresses of the service of the same name. Has no spec: it is derived.',
  {
    ports: portsSchema('Published ports with `published` decided (never 0).'),
    endpoints: list('Ready tasks.', endpoint),
    networks: listBy(['network'], 'Networks of the service, in its order.', network),
    mode: oneOf('What the name of the service is: its virtual IP, or its tasks.', ['vip', 'dnsrr'], {
      default: 'vip',
    }),
    sessionAffinity: sessionAffinitySchema,
  },
);
