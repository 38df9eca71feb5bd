import { int, mapOf, obj, str } from '../dialect.ts';
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
  },
  { title: 'ClusterSpec', default: {} },
);

const manager = obj(
  'A manager, as it said of itself when it last started.',
  {
    url: str('Where its API is reached, e.g. `https://10.0.0.5:6750`.'),
    peerURL: str('Where its etcd member is reached by the others; empty with an etcd of your own.'),
    version: str('Version of orc.'),
    since: str('When it wrote this.', { format: 'date-time' }),
  },
  { title: 'ClusterManager', required: ['url', 'since'] },
);

const status = obj(
  'What the cluster is.',
  {
    managers: mapOf('By name of the manager.', manager),
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
