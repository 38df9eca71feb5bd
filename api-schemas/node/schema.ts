import { bool, int, list, mapOf, num, obj, oneOf, str, stringMap, strings } from '../dialect.ts';
import { conditionsSchema, objectSchema } from '../metadata/schema.ts';

const spec = obj(
  'How the node is to be used.',
  {
    availability: oneOf(
      '`pause` takes no new tasks (cordon); `drain` also moves its tasks elsewhere.',
      ['active', 'pause', 'drain'],
      { default: 'active' },
    ),
    role: oneOf('`manager` runs a server too. The node becomes it; absent: it stays what it joined as.', [
      'manager',
      'worker',
    ]),
    taints: list(
      'Keep tasks away that do not tolerate them.',
      obj(
        'One taint.',
        {
          key: str('Its name, like a label’s.', { format: 'label-key' }),
          value: str('Compared by tolerations with `operator: Equal`.'),
          effect: oneOf(
            '`NoSchedule`: no new tasks; `PreferNoSchedule`: only where nothing else fits; `NoExecute`: running ones leave, too.',
            ['NoSchedule', 'PreferNoSchedule', 'NoExecute'],
          ),
        },
        { title: 'Taint', required: ['key', 'effect'] },
      ),
      { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['key', 'effect'] },
    ),
  },
  {
    title: 'NodeSpec',
    default: {},
    'x-orc-instead': { unschedulable: 'availability', cordon: 'availability', drain: 'availability' },
  },
);

const status = obj(
  'What the node is. Written from its session.',
  {
    hostname: str('Host name of the machine.'),
    role: oneOf('`manager` runs a server too.', ['manager', 'worker']),
    addresses: list('IP addresses, the one others reach it by first.', str('IP address.')),
    platform: obj(
      'What images it runs.',
      { os: str('e.g. `linux`'), arch: str('e.g. `amd64`') },
      { required: ['os', 'arch'] },
    ),
    capacity: obj(
      'What the engine reports.',
      {
        cpus: num('Cores, e.g. 2.', { minimum: 0 }),
        memoryBytes: num('Memory in bytes.', { minimum: 0 }),
        generic: mapOf('Generic resource kind to amount.', num('Amount.', { minimum: 0 })),
      },
      { title: 'NodeResources', required: ['cpus', 'memoryBytes'] },
    ),
    engine: obj(
      'The container engine.',
      {
        runtime: oneOf('`simulated` runs nothing: for benchmarks.', ['docker', 'simulated']),
        version: str('e.g. `28.5.1`'),
        apiVersion: str('Highest API version it speaks, e.g. `1.51`.'),
        labels: stringMap('Labels of the engine (daemon.json).'),
        reachable: bool('It answers.'),
        settled: bool(
          'What had become of the containers was looked at since the engine and the agent are there, and told.',
        ),
        message: str('Why it is not reachable.'),
      },
      { required: ['runtime', 'version', 'apiVersion', 'reachable'] },
    ),
    routes: list(
      'What no network of orc may overlap on this node: its routes and the pools of its engine, without what orc itself made.',
      obj(
        'One range.',
        {
          to: str('The range, e.g. `10.0.0.0/8` or `fd00::/8`.', { format: 'range' }),
          of: str('What has it, in words, e.g. `dev eth0` or `engine network bridge`.', { minLength: 1 }),
          pool: bool(
            'Nobody has it yet: the engine takes ranges of it. No network gets one of it; the node is not kept out of one that has.',
          ),
        },
        { title: 'NodeRoute', required: ['to', 'of'] },
      ),
    ),
    network: obj(
      'What is wrong with the networks of the node, as its agent finds it; absent when nothing is.',
      {
        problems: list(
          'What the agent cannot do, with the remedy.',
          obj(
            'One problem.',
            {
              reason: str('UpperCamel, e.g. `NamesFailed`.'),
              message: str('What is wrong, and what to do.'),
            },
            { title: 'NetworkProblem', required: ['reason', 'message'] },
          ),
        ),
        peers: int('Nodes that it probes: those with tasks on its networks.', 0, 1_000_000),
        failing: int('Of these, the ones that do not answer as they should.', 0, 1_000_000),
        unanswered: list(
          'The first of these.',
          obj(
            'A node whose answer to probes fails to come.',
            {
              node: str('Its name.'),
              address: str('Its address.'),
              way: oneOf(
                '`to`: it is heard, so what is sent to it does not arrive; `none`: nothing is heard of it; `mtu`: large packets do not arrive.',
                ['to', 'none', 'mtu'],
              ),
              networks: list('Networks that were tried, `namespace/name`.', str('A network.')),
              reach: oneOf('Whether its address answers at all.', ['answers', 'silent', 'unreachable']),
            },
            { title: 'UnansweredNode', required: ['node', 'address', 'way', 'networks'] },
          ),
        ),
      },
      { title: 'NodeNetwork' },
    ),
    encryption: obj(
      'What the node can do for encrypted networks; absent where its agent knows nothing of them.',
      {
        method: oneOf('`wireguard` is in the kernel; `wireguard-go` is a process for each device.', [
          'wireguard',
          'wireguard-go',
        ]),
        error: str('Why nothing can be encrypted, in the words of the kernel and the commands.'),
        keys: list(
          'The public parts of its keys; nobody but the node has the others.',
          obj(
            'One key.',
            {
              epoch: int('The epoch that it is for.', 1, 2 ** 53 - 1),
              publicKey: str('As `wg` writes it, 44 characters.', { minLength: 44, maxLength: 44 }),
            },
            { title: 'NodeKey', required: ['epoch', 'publicKey'] },
          ),
        ),
      },
      { title: 'NodeEncryption' },
    ),
    agentVersion: str('Version of the agent.'),
    certificate: obj(
      'The certificate of the node, as its agent says it.',
      {
        issuer: str('The CA that it is of. SHA-256 of that one’s certificate, 64 hex digits.'),
        trust: strings('The CAs that the node trusts. SHA-256 of each certificate.'),
        notAfter: str('Until when it is valid.', { format: 'date-time' }),
      },
      { title: 'NodeCertificate', required: ['issuer', 'trust', 'notAfter'] },
    ),
    session: obj(
      'The session of the node; `server` is empty while there is none.',
      {
        server: str('The server that holds it.'),
        id: str('Changes with each session.'),
        since: str('When it began, or ended.', { format: 'date-time' }),
        lastSeen: str('Last sign of life before it ended.', { format: 'date-time' }),
        slow: bool('The machine gives signs of life, but the agent does not answer in time.'),
      },
      { required: ['server', 'id', 'since'] },
    ),
    conditions: conditionsSchema,
  },
  { title: 'NodeStatus' },
);

export const nodeSchema = objectSchema(
  'Node',
  'orc.dev/v1',
  'A machine with a container engine.',
  { spec, status },
  { 'x-orc-always': ['spec'] },
);
