import { int, list, mapOf, obj, oneOf, str, strings } from '../dialect.ts';
import { conditionsSchema, objectSchema } from '../metadata/schema.ts';

const generation = (role: string) =>
  int(`Raised to make earlier tokens of ${role}s worthless.`, 1, 2 ** 31, { default: 1 });

const spec = obj(
  'What managers agree on.',
  {
    tokens: obj(
      'Generations of the join tokens. The tokens themselves are stored nowhere: managers derive them.',
      { worker: generation('worker'), manager: generation('manager') },
      { default: {} },
    ),
    ca: obj(
      'Replacing the CA, see `orc ca rotate`.',
      {
        rotation: int('Raised by one to replace the CA by a new one.', 0, 2 ** 31, { default: 0 }),
        waitForUnreachable: str(
          'How long managers and nodes that are out of reach are waited for in each phase; who is not there in time must join again.',
          { format: 'duration', default: '2m' },
        ),
      },
      { default: {} },
    ),
    networks: obj(
      'Where networks without a subnet of their own get theirs, and how long keys of encrypted ones are used.',
      {
        pools: list(
          'Tried in this order. What is given stays given when they change.',
          obj(
            'One pool.',
            {
              cidr: str('IPv4 range, e.g. `10.64.0.0/10`.', { format: 'subnet' }),
              size: int('Bits of the prefix of each network; 20 is 3,800 tasks on up to 119 nodes.', 12, 25),
            },
            { title: 'NetworkPool', required: ['cidr', 'size'] },
          ),
          { default: [{ cidr: '10.64.0.0/10', size: 20 }] },
        ),
        ipv6Pool: str(
          'IPv6 range, a /40, e.g. `fd12:3456:7800::/40`, that the prefixes of networks with `ipv6` are in; one of the cluster’s own (RFC 4193) when absent. What is given stays given when it changes.',
          { format: 'subnet6' },
        ),
        keyRotation: str('How long the keys of encrypted networks are used.', {
          format: 'duration',
          default: '12h',
        }),
        keyGeneration: int('Raised by one to have new keys now, see `orc net rotate-keys`.', 0, 2 ** 31, {
          default: 0,
        }),
      },
      { default: {} },
    ),
  },
  { title: 'ClusterSpec', default: {} },
);

const digest = (description: string) => str(`${description} SHA-256 of the certificate, 64 hex digits.`);
const digests = (description: string) => strings(`${description} SHA-256 of each certificate.`);

const managerPki = obj(
  'Which CA it issues with, which it trusts, and which it has at hand to come next.',
  {
    issuer: digest('The CA that it issues certificates with.'),
    trust: digests('The CAs that it trusts.'),
    next: digest('The CA whose key it has, to issue with it next.'),
  },
  { title: 'ManagerPki', required: ['issuer', 'trust'] },
);

const ca = obj(
  'How far replacing the CA is; absent before the first time. Written by the controller `ca` alone.',
  {
    rotation: int('The last that was begun.', 0, 2 ** 31),
    phase: oneOf(
      '`Create`: a manager makes the new CA; `Trust`: all come to trust both; `Issue`: all certificates come to be of the new one; `Drop`: all cease to trust the old one; `Done`.',
      ['Create', 'Trust', 'Issue', 'Drop', 'Done'],
    ),
    turn: str('The manager whose turn it is; absent while the nodes are at it.'),
    from: digest('The CA that is replaced.'),
    to: digest('The CA that takes its place, once it was made.'),
    startedAt: str('When the rotation began.', { format: 'date-time' }),
    since: str('When this phase, or the part of the nodes in it, began.', { format: 'date-time' }),
    finishedAt: str('When the rotation was done.', { format: 'date-time' }),
    waitingFor: strings('Who has not done yet what the phase asks, e.g. `manager n2` or `node n5`.'),
    skipped: strings('Who was out of reach for too long, and has to join again.'),
  },
  {
    title: 'ClusterCa',
    required: ['rotation', 'phase', 'from', 'startedAt', 'since', 'waitingFor', 'skipped'],
  },
);

const manager = obj(
  'A manager, as it said of itself when it last started.',
  {
    url: str('Where its API is reached, e.g. `https://10.0.0.5:6750`.'),
    peerURL: str('Where its etcd member is reached by the others; empty with an etcd of your own.'),
    version: str('Version of orc.'),
    since: str('When it wrote this.', { format: 'date-time' }),
    pki: managerPki,
  },
  { title: 'ClusterManager', required: ['url', 'since'] },
);

const keys = obj(
  'The keys of encrypted networks; absent before the first one. Written by the controller `keys` alone.',
  {
    epoch: int('Raised with each rotation: each node makes a key of its own for it.', 1, 2 ** 53 - 1),
    since: str('When this epoch began.', { format: 'date-time' }),
    generation: int('The `keyGeneration` that was done last.', 0, 2 ** 31),
    waitingFor: strings('Nodes without a key of this epoch, which the next one waits for.'),
  },
  { title: 'ClusterKeys', required: ['epoch', 'since', 'generation'] },
);

const status = obj(
  'What the cluster is.',
  {
    managers: mapOf('By name of the manager.', manager),
    ca,
    keys,
    ipv6Pool: str('The range that prefixes of networks are given from, since the first one was.', {
      format: 'subnet6',
    }),
    restoredAt: str('When it was last begun anew, from a backup or from one member.', {
      format: 'date-time',
    }),
    conditions: conditionsSchema,
  },
  { title: 'ClusterStatus' },
);

export const clusterSchema = objectSchema(
  'Cluster',
  'orc.dev/v1',
  'The cluster itself; there is one, `orc`. Nothing in it is secret.',
  { spec, status },
  { 'x-orc-always': ['spec'] },
);
