import { bool, int, list, mapOf, obj, str, stringMap, type Schema } from '../dialect.ts';
import { conditionsSchema, objectSchema, observedGenerationSchema } from '../metadata/schema.ts';

/** An address that a container has on one network. */
export const networkAddressSchema: Schema = obj(
  'An address on one network.',
  { network: str('Name of the network.'), ip: str('The address.', { format: 'ip' }) },
  { title: 'NetworkAddress', required: ['network', 'ip'] },
);

/** What a network is to be; also an entry of a stack's `networks`. */
export const networkSpecSchema: Schema = obj(
  'What the network is to be. It cannot change while the network lives.',
  {
    subnet: str('IPv4 range, e.g. `10.20.0.0/20`; from the pools of the cluster when absent.', {
      format: 'subnet',
    }),
    ipv6: bool('Its containers have IPv6, too; where a node has none, those on it have IPv4 alone.', {
      default: false,
    }),
    internal: bool('No way out of the network.', { default: false }),
    attachable: bool('Containers that orc does not run may join on their node.', { default: false }),
    mtu: int(
      'Largest packet; what the path between the nodes takes (1450; 1350 with `encrypted`) when absent.',
      576,
      65535,
    ),
    encrypted: bool(
      'What goes from node to node is encrypted, by WireGuard. A node that cannot do it stays out.',
      { default: false },
    ),
    driverOptions: stringMap('Options of the bridge that the engine makes, as they are.'),
    external: str("Name of a network of each node's engine, which orc neither makes nor removes.", {
      minLength: 1,
    }),
  },
  {
    title: 'NetworkSpec',
    default: {},
    'x-orc-instead': {
      enableIPv6: 'ipv6',
      enable_ipv6: 'ipv6',
      driverOpts: 'driverOptions',
      driver_opts: 'driverOptions',
      options: 'driverOptions',
      cidr: 'subnet',
      ipam: 'subnet',
    },
    'x-orc-expect': 'must be an object; `{}` for a network with nothing special',
  },
);

const node = obj(
  'What a node has of the network. Nobody else uses these addresses.',
  {
    gateway: str("The node's own address on the network: its containers' gateway and name server.", {
      format: 'ip',
    }),
    blocks: list(
      "Ranges that the node's tasks get addresses from, the first that has one free first. None on a node that only answers published ports.",
      str('An IPv4 range.', { format: 'subnet' }),
    ),
    closing: list(
      'Ranges that no more addresses are taken from; each goes when none of it is in use.',
      str('An IPv4 range.', { format: 'subnet' }),
    ),
  },
  { title: 'NetworkNode', required: ['gateway'] },
);

const status = obj(
  'What the network has. Written by the controller `network` alone.',
  {
    observedGeneration: observedGenerationSchema,
    vni: int('Number of the network on the wire; no other network has it.', 4097, 2 ** 24 - 1),
    subnet: str('Its range; no other network has an address of it.', { format: 'subnet' }),
    subnet6: str('Its IPv6 prefix; in it, each address follows from an IPv4 address, as its last 32 bits.', {
      format: 'subnet6',
    }),
    epoch: int('Of the keys, where the network is encrypted: raised with each rotation.', 1, 2 ** 53 - 1),
    nodes: mapOf('By name of the node: those that are in the network.', node),
    virtualIPs: mapOf('By name of the service.', str('The address.', { format: 'ip' })),
    conditions: conditionsSchema,
  },
  { title: 'NetworkStatus' },
);

export const networkSchema = objectSchema(
  'Network',
  'orc.dev/v1',
  'A network that containers on all nodes can be on.',
  { spec: networkSpecSchema, status },
  { 'x-orc-always': ['spec'] },
);
