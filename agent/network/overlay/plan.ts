import type { Bridge, Kernel, Op, Tunnel } from './types.ts';

/**
 * The changes that make the kernel what is wanted, in an order in which each can be made: what is removed goes first,
 * then devices, then entries. A device that cannot be changed into the wanted one is made anew. None when all is
 * well. Pure.
 */
export function plan(wanted: Kernel, found: Kernel): readonly Op[] {
  const removed: Op[] = [];
  const devices: Op[] = [];
  const entries: Op[] = [];
  for (const device of found.tunnels.keys())
    if (!wanted.tunnels.has(device)) removed.push({ kind: 'removeTunnel', device });
  for (const [device, bridge] of wanted.bridges) {
    const is = found.bridges.get(device);
    if (is !== undefined) devices.push(...bridgeOps(bridge, is));
  }
  for (const tunnel of wanted.tunnels.values()) {
    // Its bridge is not there yet, or not any more: it is made once it is.
    if (tunnel.master !== '' && !found.bridges.has(tunnel.master)) continue;
    const is = found.tunnels.get(tunnel.device);
    const isUsable = isKept(tunnel, is);
    if (is !== undefined && !isUsable) removed.push({ kind: 'removeTunnel', device: tunnel.device });
    const base = isUsable ? is : bare(tunnel);
    if (!isUsable) {
      const { device, vni, local, port } = tunnel;
      devices.push({ kind: 'addTunnel', device, vni, local, port });
    }
    devices.push(...deviceOps(tunnel, base));
    entries.push(...entryOps(tunnel, base));
  }
  for (const [device, all] of wanted.neighbours) {
    // One that stands alone, and is about to be made, has none yet.
    if (!found.bridges.has(device) && !wanted.tunnels.has(device)) continue;
    const isMade = found.bridges.has(device) || isKept(wanted.tunnels.get(device), found.tunnels.get(device));
    entries.push(
      ...neighbourOps(device, all, (isMade ? found.neighbours.get(device) : undefined) ?? new Map()),
    );
  }
  for (const [device, all] of wanted.routes) {
    if (!found.bridges.has(device) && !wanted.tunnels.has(device)) continue;
    const isGone = removed.some((op) => op.kind === 'removeTunnel' && op.device === device);
    const has = isGone ? undefined : found.routes.get(device);
    // The kernel makes it with the address, and takes it away with that; here it is only looked after.
    for (const route of all) if (has?.has(route) !== true) entries.push({ kind: 'setRoute', device, route });
  }
  return [...removed, ...devices, ...entries];
}

/** One that stood alone, or was a port, and is to be the other is made anew: what it knows is of no use then. */
const isKept = (tunnel: Tunnel | undefined, is: Tunnel | undefined): is is Tunnel =>
  tunnel !== undefined &&
  is !== undefined &&
  is.vni === tunnel.vni &&
  is.local === tunnel.local &&
  is.port === tunnel.port &&
  (is.master === '') === (tunnel.master === '');

function bridgeOps({ device, mac, address, address6 }: Bridge, is: Bridge): readonly Op[] {
  const ops: Op[] = [];
  if (is.mac !== mac) ops.push({ kind: 'setMac', device, mac });
  ops.push(...withoutOthers(device, address, is.address), ...withOwn(device, address, is.address));
  // Without one of ours it may have one that the engine gave it, which does not leave the node.
  if (address6 !== '')
    ops.push(...withoutOthers(device, address6, is.address6), ...withOwn(device, address6, is.address6));
  if (!is.isUp) ops.push({ kind: 'setUp', device });
  return ops;
}

const withoutOthers = (device: string, wanted: string, is: string): readonly Op[] =>
  is !== '' && is !== wanted ? [{ kind: 'removeAddress', device, address: is }] : [];

const withOwn = (device: string, wanted: string, is: string): readonly Op[] =>
  wanted !== '' && is !== wanted ? [{ kind: 'addAddress', device, address: wanted }] : [];

function neighbourOps(
  device: string,
  wanted: ReadonlyMap<string, string>,
  is: ReadonlyMap<string, string>,
): readonly Op[] {
  return [
    ...[...is.keys()]
      .filter((ip) => !wanted.has(ip))
      .map((ip): Op => ({ kind: 'forgetNeighbour', device, ip })),
    ...[...wanted]
      .filter(([ip, mac]) => is.get(ip) !== mac)
      .map(([ip, mac]): Op => ({ kind: 'neighbour', device, ip, mac })),
  ];
}

/** A tunnel as the kernel has it when it was just made. */
const bare = ({ device, vni, local, port }: Tunnel): Tunnel => ({
  ...{ device, vni, local, port, mtu: 0, master: '', mac: '', address: '', isUp: false, isQuiet: false },
  ...{ address6: '', forwards: new Map(), bridged: new Set<string>() },
});

function deviceOps(wanted: Tunnel, is: Tunnel): readonly Op[] {
  const { device, mtu, master, mac, address, address6 } = wanted;
  const ops: Op[] = [
    ...withoutOthers(device, address, is.address),
    ...withoutOthers(device, address6, is.address6),
  ];
  if (is.mtu !== mtu) ops.push({ kind: 'setMtu', device, mtu });
  if (mac !== '' && is.mac !== mac) ops.push({ kind: 'setMac', device, mac });
  if (is.master !== master) ops.push({ kind: 'setMaster', device, master });
  ops.push(...withOwn(device, address, is.address), ...withOwn(device, address6, is.address6));
  if (!is.isUp) ops.push({ kind: 'setUp', device });
  // What a port of a bridge is told, it forgets when it becomes one of another.
  if (master !== '' && (!is.isQuiet || is.master !== master)) ops.push({ kind: 'setQuiet', device });
  return ops;
}

function entryOps(wanted: Tunnel, is: Tunnel): readonly Op[] {
  const { device } = wanted;
  // They go with the bridge that it was a port of.
  const bridged: ReadonlySet<string> = is.master === wanted.master ? is.bridged : new Set();
  const ops: Op[] = [];
  for (const [mac, to] of is.forwards)
    if (!wanted.forwards.has(mac)) ops.push({ kind: 'unforward', device, mac, to });
  for (const mac of bridged) if (!wanted.bridged.has(mac)) ops.push({ kind: 'unbridge', device, mac });
  for (const [mac, to] of wanted.forwards)
    if (is.forwards.get(mac) !== to) ops.push({ kind: 'forward', device, mac, to });
  for (const mac of wanted.bridged) if (!bridged.has(mac)) ops.push({ kind: 'bridge', device, mac });
  return ops;
}
