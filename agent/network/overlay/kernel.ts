import type { Run } from '../commands.ts';
import type { Bridge, Kernel, Op, Tunnel } from './types.ts';
import { isDeviceOf, vxlanPort } from './wanted.ts';

interface Link {
  readonly ifname: string;
  readonly flags?: readonly string[];
  readonly mtu?: number;
  readonly master?: string;
  readonly address?: string;
  readonly linkinfo?: {
    readonly info_data?: {
      readonly id?: number;
      readonly local?: string;
      readonly local6?: string;
      readonly port?: number;
    };
    readonly info_slave_data?: { readonly learning?: boolean; readonly neigh_suppress?: boolean };
  };
  readonly addr_info?: readonly {
    readonly family: string;
    readonly local: string;
    readonly prefixlen: number;
  }[];
}

interface Entry {
  readonly ifname: string;
  readonly mac: string;
  readonly dst?: string;
  readonly flags?: readonly string[];
  readonly master?: string;
  readonly state?: string;
}

interface Route {
  readonly dst: string;
  readonly dev?: string;
  readonly prefsrc?: string;
}

interface Neighbour {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
}

async function json<T>(run: Run, argv: readonly string[]): Promise<readonly T[]> {
  const { code, stdout, stderr } = await run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr.trim() || `exit ${String(code)}`}`);
  return stdout.trim() === '' ? [] : (JSON.parse(stdout) as readonly T[]);
}

/**
 * What the kernel has of the devices with this node's tag, and of these bridges. Six commands, however many there are; one
 * less without IPv6, which a kernel may not have.
 */
export async function readKernel(
  run: Run,
  tag: string,
  bridges: Iterable<string>,
  hasIPv6 = false,
): Promise<Kernel> {
  const [vxlans, allBridges, entries, permanent, allRoutes, routes6] = await Promise.all([
    json<Link>(run, ['ip', '-j', '-d', 'addr', 'show', 'type', 'vxlan']),
    json<Link>(run, ['ip', '-j', 'addr', 'show', 'type', 'bridge']),
    json<Entry>(run, ['bridge', '-j', 'fdb', 'show']),
    json<Neighbour>(run, ['ip', '-j', 'neigh', 'show', 'nud', 'permanent']),
    json<Route>(run, ['ip', '-j', '-4', 'route', 'show']),
    hasIPv6 ? json<Route>(run, ['ip', '-j', '-6', 'route', 'show']) : [],
  ]);
  const ours = new Set(bridges);
  const found = allBridges
    .filter(({ ifname }) => ours.has(ifname))
    .map((link): [string, Bridge] => [link.ifname, bridgeOf(link)]);
  const tunnels = vxlans
    .filter(({ ifname }) => isDeviceOf(tag, ifname))
    .map((link): [string, Tunnel] => [link.ifname, tunnelOf(link, entries)]);
  const neighbours = new Map<string, Map<string, string>>();
  const isOurs = (device: string): boolean => ours.has(device) || isDeviceOf(tag, device);
  for (const { dst, dev, lladdr = '' } of permanent) {
    if (!isOurs(dev)) continue;
    const own = neighbours.get(dev) ?? new Map<string, string>();
    neighbours.set(dev, own.set(dst, lladdr));
  }
  const routes = new Map<string, Set<string>>();
  for (const { dst, dev = '', prefsrc = '' } of allRoutes)
    if (isOurs(dev)) routes.set(dev, (routes.get(dev) ?? new Set()).add(`${dst} src ${prefsrc}`));
  for (const { dst, dev = '' } of routes6)
    if (isOurs(dev) && !isOfLink(dst)) routes.set(dev, (routes.get(dev) ?? new Set()).add(dst));
  return { tunnels: new Map(tunnels), bridges: new Map(found), neighbours, routes };
}

/** What each device has by itself. */
const isOfLink = (ip: string): boolean => /^(fe[89ab]|ff)[0-9a-f]{0,2}:/.test(ip);

const bridgeOf = (link: Link): Bridge => ({
  device: link.ifname,
  mac: link.address ?? '',
  address: firstAddress(link),
  address6: firstAddress(link, 'inet6'),
  isUp: link.flags?.includes('UP') === true,
});

/** `address/prefix`; empty when there is none. */
function firstAddress({ addr_info: all = [] }: Link, of: 'inet' | 'inet6' = 'inet'): string {
  const address = all.find(({ family, local }) => family === of && !isOfLink(local));
  return address === undefined ? '' : `${address.local}/${String(address.prefixlen)}`;
}

function tunnelOf(link: Link, entries: readonly Entry[]): Tunnel {
  const { ifname: device, flags = [], mtu = 0, master = '', address: mac = '', linkinfo = {} } = link;
  const { id = 0, local = '', local6 = '', port: udp = 0 } = linkinfo.info_data ?? {};
  const port = linkinfo.info_slave_data;
  const own = entries.filter(({ ifname }) => ifname === device);
  const forwards = own.flatMap(({ mac: to, dst, flags: all = [] }): [string, string][] =>
    dst !== undefined && all.includes('self') ? [[to, dst]] : [],
  );
  const bridged = own.filter(({ master: of, state }) => of !== undefined && state === 'static');
  return {
    ...{ device, vni: id, local: local || local6, port: udp, mtu, master },
    mac: master === '' ? mac : '',
    address: firstAddress(link),
    address6: firstAddress(link, 'inet6'),
    isUp: flags.includes('UP'),
    isQuiet: port?.neigh_suppress === true && port.learning === false,
    forwards: new Map(forwards),
    bridged: new Set(bridged.map(({ mac: to }) => to)),
  };
}

/** Inside of the mesh nothing is altered on its way that is not noticed: a checksum more is of no use. */
const unchecked = (port: number): string => (port === vxlanPort ? '' : ' udp6zerocsumtx udp6zerocsumrx');

/** The changes in the words of `ip -batch` and `bridge -batch`, to be run in this order. Pure. */
export function batches(ops: readonly Op[]): {
  readonly ip: readonly string[];
  readonly bridge: readonly string[];
} {
  const ip: string[] = [];
  const bridge: string[] = [];
  for (const op of ops) {
    switch (op.kind) {
      case 'addTunnel':
        ip.push(
          `link add ${op.device} type vxlan id ${op.vni} dstport ${op.port} local ${op.local} nolearning${unchecked(op.port)}`,
        );
        break;
      case 'removeTunnel':
        ip.push(`link del ${op.device}`);
        break;
      case 'setMtu':
        ip.push(`link set ${op.device} mtu ${op.mtu}`);
        break;
      case 'setMaster':
        ip.push(
          op.master === '' ? `link set ${op.device} nomaster` : `link set ${op.device} master ${op.master}`,
        );
        break;
      case 'setMac':
        ip.push(`link set ${op.device} address ${op.mac}`);
        break;
      case 'addAddress':
        // Nobody else has it: there is nothing to be found out first.
        ip.push(`addr add ${op.address} dev ${op.device}${op.address.includes(':') ? ' nodad' : ''}`);
        break;
      case 'removeAddress':
        ip.push(`addr del ${op.address} dev ${op.device}`);
        break;
      case 'setUp':
        ip.push(`link set ${op.device} up`);
        break;
      case 'setRoute':
        ip.push(
          `route replace ${op.route} dev ${op.device} proto kernel ${op.route.includes(':') ? 'metric 256' : 'scope link'}`,
        );
        break;
      case 'setQuiet':
        bridge.push(`link set dev ${op.device} neigh_suppress on learning off`);
        break;
      case 'forward':
        bridge.push(`fdb replace ${op.mac} dev ${op.device} dst ${op.to} self static`);
        break;
      case 'unforward':
        bridge.push(`fdb del ${op.mac} dev ${op.device} dst ${op.to} self`);
        break;
      case 'bridge':
        bridge.push(`fdb replace ${op.mac} dev ${op.device} master static`);
        break;
      case 'unbridge':
        bridge.push(`fdb del ${op.mac} dev ${op.device} master`);
        break;
      case 'neighbour':
        ip.push(`neigh replace ${op.ip} lladdr ${op.mac} dev ${op.device} nud permanent`);
        break;
      case 'forgetNeighbour':
        ip.push(`neigh del ${op.ip} dev ${op.device}`);
    }
  }
  return { ip, bridge };
}

/** Makes the changes. Goes on past those that fail, and then throws with what the commands said. */
export async function change(run: Run, ops: readonly Op[]): Promise<void> {
  const { ip, bridge } = batches(ops);
  const said: string[] = [];
  for (const [command, lines] of [
    ['ip', ip],
    ['bridge', bridge],
  ] as const) {
    if (lines.length === 0) continue;
    const { code, stderr } = await run([command, '-force', '-batch', '-'], `${lines.join('\n')}\n`);
    if (code !== 0) said.push(stderr.trim().slice(0, 500) || `${command}: exit ${String(code)}`);
  }
  if (said.length > 0) throw new Error(said.join('; '));
}
