/** Changes by somebody who should not: one thing of the kernel is taken away, or made another. */
import { label } from '../../../agent/runtime/types.ts';
import type { LabNode } from '../lab.ts';
import { read } from '../network-truth/index.ts';
import type { Reading } from '../network-truth/found.ts';
import type { Chance } from './random.ts';

type Deed = readonly string[];

const accept = ['-m', 'connmark', '--mark', '0x4f000000/0xff000000', '-j', 'ACCEPT'];

/** All that could be done on the node now, by kind, so that a rare kind is as likely as one of which there is much. */
function deedsOn(reading: Reading): readonly (readonly Deed[])[] {
  const tunnels = reading.links
    .filter(({ linkinfo }) => linkinfo?.info_kind === 'vxlan')
    .map(({ ifname }) => ifname);
  const bridges = reading.links.filter(({ ifname }) => ifname.startsWith('orc-'));
  const isOurs = (dev = ''): boolean => tunnels.includes(dev) || dev.startsWith('orc-');
  const far = reading.entries.filter(({ ifname, dst }) => tunnels.includes(ifname) && dst !== undefined);
  const near = reading.entries.filter(({ ifname, master, state }) => tunnels.includes(ifname) && master !== undefined && state === 'static'); // prettier-ignore
  return [
    tunnels.map((dev) => ['ip', 'link', 'del', dev]),
    tunnels.map((dev) => ['ip', 'link', 'set', dev, 'down']),
    tunnels.map((dev) => ['ip', 'link', 'set', dev, 'mtu', '1300']),
    far.map(({ ifname, mac, dst = '' }) => ['bridge', 'fdb', 'del', mac, 'dev', ifname, 'dst', dst, 'self']),
    far.map(({ ifname, mac }) => [
      'bridge',
      'fdb',
      'replace',
      mac,
      'dev',
      ifname,
      'dst',
      '10.77.0.99',
      'self',
      'static',
    ]),
    near.map(({ ifname, mac }) => ['bridge', 'fdb', 'del', mac, 'dev', ifname, 'master']),
    reading.neighbours
      .filter(({ dev }) => isOurs(dev))
      .map(({ dst, dev }) => ['ip', 'neigh', 'del', dst, 'dev', dev]),
    reading.routes
      .filter(({ dev }) => isOurs(dev))
      .map(({ dst, dev = '' }) => ['ip', 'route', 'del', dst, 'dev', dev]),
    bridges.map(({ ifname }) => ['ip', 'link', 'set', ifname, 'address', '02:42:01:02:03:04']),
    bridges.flatMap(({ ifname, addr_info: all }) => all.filter(({ family }) => family === 'inet').map(({ local, prefixlen }) => ['ip', 'addr', 'del', `${local}/${prefixlen}`, 'dev', ifname])), // prettier-ignore
    reading.rules.map(({ family, name }) => ['nft', 'delete', 'table', family, name]),
    reading.rules.map(({ family, name }) => ['nft', 'flush', 'chain', family, name, 'post']),
    reading.iptables.includes(accept[3] ?? '') ? [['iptables', '-D', 'DOCKER-USER', ...accept]] : [],
    reading.containers.filter(({ pid }) => pid > 0).map(({ id }) => ['docker', 'kill', id]),
    reading.containers.map(({ id }) => ['docker', 'rm', '-f', id]),
  ];
}

/** In a container: what is lost there is found after half a minute. */
const deedsIn = (reading: Reading): readonly Deed[] =>
  reading.containers
    .filter(({ pid, nft }) => pid > 0 && (nft ?? []).length > 0)
    .map(({ pid }) => ['nsenter', '-t', String(pid), '-n', 'nft', 'delete', 'table', 'ip', 'orc']);

/** Does one of them; what it was, in words. `inContainer`: the rules of a container, which takes longest to be seen. */
export async function changeByHand(node: LabNode, chance: Chance, inContainer = false): Promise<string> {
  const reading = await read(node);
  const deed = chance.pick(inContainer ? deedsIn(reading) : (chance.pick(deedsOn(reading).filter((all) => all.length > 0)) ?? [])); // prettier-ignore
  if (deed === undefined) return `nothing to change on ${node.name}`;
  const { code } = await node.exec(deed);
  const who = reading.containers.find(({ id, pid }) => deed.includes(id) || deed[2] === String(pid));
  return `on ${node.name}: ${deed.join(' ')}${who === undefined ? '' : ` (${who.labels[label.task]})`}${code === 0 ? '' : `, exit ${code}`}`;
}
