import { listBy, obj, setOf, str, type Schema } from '../dialect.ts';

const attachment = obj(
  'A network that the containers are on.',
  {
    name: str(
      "Name of a Network in the namespace; in a stack, one of the stack's own `networks`, or `default`, comes first.",
      { format: 'dns-label' },
    ),
    aliases: setOf('Further names of the service on this network.', str('A name.', { format: 'hostname' })),
  },
  {
    title: 'NetworkAttachment',
    required: ['name'],
    'x-orc-later': { ipv4Address: 'addresses of one’s choice', ip: 'addresses of one’s choice' },
    'x-orc-instead': { network: 'name', alias: 'aliases' },
    'x-orc-expect': 'must be an object: `- name: NETWORK`',
  },
);

/** Networks of a task template. A list by name and not of plain strings, so that each may have its own owner. */
export const attachmentsSchema: Schema = listBy(
  ['name'],
  'Networks, the one of the default route first; the network `default` of the stack, or of the namespace, when absent.',
  attachment,
  { minItems: 1, maxItems: 32 },
);

/** Which of a service's tasks a client gets. */
export const sessionAffinitySchema: Schema = obj(
  'Connections of one client go to one task for as long as that is ready.',
  {
    clientIP: obj(
      'By the address of the client.',
      {
        timeout: str('A client that was silent for this long may get another one.', {
          format: 'duration',
          default: '3h',
        }),
      },
      { title: 'ClientIPAffinity', default: {} },
    ),
  },
  { title: 'SessionAffinity' },
);
