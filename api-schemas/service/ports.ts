import { int, listBy, obj, oneOf, str, type Schema } from '../dialect.ts';

export const portSchema: Schema = obj(
  'A port of the container that can be reached from outside.',
  {
    name: str('Name for people and for references.', { format: 'dns-label' }),
    target: int('Port inside the container.', 1, 65535),
    published: int('Port on the node; 0 has one chosen: ingress 30000-32767, host by the engine.', 0, 65535, {
      default: 0,
      'x-orc-expect': 'must be a number; a range is its first port here, and its last one in `endPort`',
    }),
    endPort: int(
      'Last port of a range that begins with `published`, at most 256 ports; the ports of the container follow on from `target`.',
      1,
      65535,
    ),
    protocol: oneOf('Transport protocol.', ['tcp', 'udp', 'sctp'], { default: 'tcp' }),
    mode: oneOf(
      '`ingress`: any number of replicas behind one port of every node. `local`: the same, but only nodes with a ready task answer, with their own, and tasks see the address of the client. `host`: the port of the node the task runs on, one task a node.',
      ['ingress', 'local', 'host'],
      { default: 'ingress' },
    ),
    hostIP: str('Address of the node to listen on; all addresses when absent.', { format: 'ip' }),
  },
  {
    title: 'Port',
    required: ['target'],
    'x-orc-instead': {
      containerPort: 'target',
      targetPort: 'target',
      port: 'published',
      hostPort: 'published',
      publish: 'published',
      proto: 'protocol',
      ip: 'hostIP',
      hostIp: 'hostIP',
      publishedEnd: 'endPort',
      endport: 'endPort',
    },
  },
);

/** Ports, told apart by what is reached and where. */
export const portsSchema = (description: string): Schema =>
  listBy(['target', 'published', 'protocol', 'hostIP'], description, portSchema);
