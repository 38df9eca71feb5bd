import type { Run } from '../commands.ts';
import { innerRange, meshDevices, meshTable, readAlias } from './names.ts';
import type { Device, Link, MeshKernel } from './types.ts';

interface Shown {
  readonly ifname: string;
  readonly ifalias?: string;
  readonly flags?: readonly string[];
  readonly mtu?: number;
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly family: string; readonly local: string }[];
}

interface Route {
  readonly dst: string;
  readonly dev?: string;
  readonly type?: string;
  readonly protocol?: string;
}

/** What the kernel has of this node's mesh. `rules`: what `nft` printed of them when they were loaded last. */
export async function readMesh(run: Run, tag: string, rules: string | undefined): Promise<MeshKernel> {
  const [devices, routes, listed] = await Promise.all([
    Promise.all(meshDevices(tag).map((name) => readDevice(run, name))),
    run(['ip', '-j', '-6', 'route', 'show', 'root', innerRange]),
    listRules(run, tag),
  ]);
  if (routes.code !== 0) throw new Error(`ip -6 route: ${routes.stderr.trim()}`);
  const all = routes.stdout.trim() === '' ? [] : (JSON.parse(routes.stdout) as readonly Route[]);
  return {
    devices: devices.flatMap((device) => device ?? []),
    routes: new Map(
      all.flatMap(({ dst, dev = '', type, protocol }): [string, string][] =>
        type === 'unreachable' || protocol === 'kernel' ? [] : [[dst.replace('/128', ''), dev]],
      ),
    ),
    hasGuard: all.some(({ dst, type }) => dst === innerRange && type === 'unreachable'),
    rules: listed === undefined ? 'none' : listed === rules ? 'loaded' : 'other',
  };
}

/** As the kernel prints them; undefined when there are none. */
export async function listRules(run: Run, tag: string): Promise<string | undefined> {
  const { code, stdout } = await run(['nft', '-s', 'list', 'table', 'ip6', meshTable(tag)]);
  return code === 0 ? stdout : undefined;
}

async function readDevice(run: Run, name: string): Promise<Device | undefined> {
  const shown = await run(['ip', '-j', '-d', 'addr', 'show', 'dev', name]);
  if (shown.code !== 0) return undefined;
  const link = (JSON.parse(shown.stdout) as readonly Partial<Shown>[]).find(({ ifname }) => ifname === name);
  if (link === undefined) return undefined;
  const { code, stdout } = await run(['wg', 'show', name, 'dump']);
  // One whose process does not answer is as one that was not made to its end.
  const made = code === 0 ? readAlias(link.ifalias) : undefined;
  return {
    ...{ name, made, mtu: link.mtu ?? 0, isUp: link.flags?.includes('UP') === true },
    method: link.linkinfo?.info_kind === 'wireguard' ? 'wireguard' : 'wireguard-go',
    addresses: (link.addr_info ?? []).filter(({ family }) => family === 'inet6').map(({ local }) => local),
    ...parseDump(code === 0 ? stdout : ''),
  };
}

/** Reads `wg show DEVICE dump`. The private key, which it begins with, goes no further. Pure. */
export function parseDump(text: string): Pick<Device, 'publicKey' | 'port' | 'links'> {
  const [own = '', ...peers] = text.trimEnd().split('\n');
  const [, publicKey = '', port = '0'] = own.split('\t');
  return {
    publicKey,
    port: Number(port),
    links: new Map(
      peers.map((line): [string, Link] => {
        const [key = '', , endpoint = '', allowed = '', handshake = '0', , , keepalive = 'off'] =
          line.split('\t');
        return [
          key,
          {
            endpoint,
            allowed: allowed === '(none)' ? [] : allowed.split(','),
            keepalive: keepalive === 'off' ? 0 : Number(keepalive),
            handshakeMs: Number(handshake) * 1_000,
          },
        ];
      }),
    ),
  };
}
