import { meshDevice, portOf } from './names.ts';
import type { Device, Link, Mesh, MeshKernel, MeshOp, MeshPeer, WantedLink } from './types.ts';

/** Keeps a way through firewalls that forget, and keys fresh: WireGuard's own advice. */
export const keepaliveSeconds = 25;
/** WireGuard uses a session no longer than this; with keepalives the next one is there before. */
const freshMs = 180_000;
/** How long the devices of the epoch before stay once all peers are reached by new ones: the others look each second. */
export const lingerMs = 30_000;
/** How long they stay for peers that are not reached by new ones: a node that is off is not waited for. */
export const patienceMs = 3_600_000;

export interface MeshPlan {
  readonly ops: readonly MeshOp[];
  /** All peers are reached by the keys of the newest epoch. */
  readonly isSettled: boolean;
}

/**
 * The changes that make the kernel what is wanted; undefined: nothing of it. First what keeps packets from leaving in
 * clear, then devices, then peers, then routes: a peer is sent to by the newest epoch that has a session with it, and
 * read by both, so that nothing is lost while keys change. `settledMs`: since when all peers are known to be reached by
 * the newest one. Pure.
 */
export function planMesh(
  mesh: Mesh | undefined,
  found: MeshKernel,
  tag: string,
  nowMs: number,
  settledMs: number | undefined,
): MeshPlan {
  if (mesh === undefined) return { ops: none(found), isSettled: true };
  const newest = meshDevice(tag, mesh.epoch);
  const whole = found.devices.filter(({ name, made }) =>
    name === newest ? made?.epoch === mesh.epoch : made !== undefined,
  );
  const current = whole.find(({ name }) => name === newest);
  const reached = new Map(mesh.peers.map((peer) => [peer.inner, choose(peer, whole, nowMs)]));
  const isSettled =
    current !== undefined && mesh.peers.every((peer) => isFresh(linkOf(peer, current), nowMs));
  const isOver =
    current !== undefined &&
    ((isSettled && settledMs !== undefined && nowMs - settledMs >= lingerMs) ||
      nowMs - (current.made?.madeMs ?? nowMs) >= patienceMs);
  const kept = whole.filter(({ name }) => name === newest || !isOver);
  const gone = found.devices.filter((device) => !kept.includes(device));

  const ops: MeshOp[] = [];
  if (!found.hasGuard) ops.push({ kind: 'guard' });
  if (found.rules !== 'loaded') ops.push({ kind: 'rules' });
  ops.push(...gone.map(({ name }): MeshOp => ({ kind: 'remove', device: name })));
  if (current === undefined) ops.push({ kind: 'make', device: newest, epoch: mesh.epoch });
  for (const device of kept) ops.push(...deviceOps(device, mesh));
  // Those of one that is about to be made follow in the next pass: its key is not known to anyone yet.
  for (const device of kept) ops.push(...linkOps(device, mesh.peers, nowMs));
  for (const { inner } of mesh.peers) {
    const way = reached.get(inner);
    const device = way !== undefined && kept.includes(way) ? way.name : undefined;
    const is = found.routes.get(inner);
    if (device !== undefined && is !== device) ops.push({ kind: 'route', inner, device });
    // A route of a device that goes, goes with it.
    else if (device === undefined && is !== undefined && kept.some(({ name }) => name === is))
      ops.push({ kind: 'unroute', inner, device: is });
  }
  const known = new Set(mesh.peers.map(({ inner }) => inner));
  for (const [inner, device] of found.routes)
    if (!known.has(inner) && kept.some(({ name }) => name === device))
      ops.push({ kind: 'unroute', inner, device });
  return { ops, isSettled };
}

/** The newest that has a session with the peer; with none, the one that had one last, else the newest. */
function choose(peer: MeshPeer, devices: readonly Device[], nowMs: number): Device | undefined {
  const ways = devices
    .filter((device) => keyFor(peer, device) !== undefined)
    .sort((a, b) => (b.made?.epoch ?? 0) - (a.made?.epoch ?? 0));
  const heard = (device: Device): number => linkOf(peer, device)?.handshakeMs ?? 0;
  return (
    ways.find((device) => isFresh(linkOf(peer, device), nowMs)) ??
    ways.reduce<Device | undefined>(
      (best, way) => (best === undefined || heard(way) > heard(best) ? way : best),
      undefined,
    )
  );
}

const isFresh = (link: Link | undefined, nowMs: number): boolean =>
  link !== undefined && link.handshakeMs > 0 && nowMs - link.handshakeMs < freshMs;

const keyFor = ({ keys }: MeshPeer, { made }: Device): string | undefined =>
  keys.find(({ epoch }) => epoch === made?.epoch)?.publicKey;

function linkOf(peer: MeshPeer, device: Device): Link | undefined {
  const key = keyFor(peer, device);
  return key === undefined ? undefined : device.links.get(key);
}

const none = ({ devices, hasGuard, rules }: MeshKernel): readonly MeshOp[] => [
  ...devices.map(({ name }): MeshOp => ({ kind: 'remove', device: name })),
  // The last things to go.
  ...(hasGuard ? [{ kind: 'unguard' } as const] : []),
  ...(rules !== 'none' ? [{ kind: 'unrule' } as const] : []),
];

function deviceOps({ name: device, mtu, isUp, addresses }: Device, mesh: Mesh): readonly MeshOp[] {
  const ops: MeshOp[] = [];
  if (mtu !== mesh.mtu) ops.push({ kind: 'setMtu', device, mtu: mesh.mtu });
  for (const address of addresses)
    if (address !== mesh.inner) ops.push({ kind: 'removeAddress', device, address });
  if (!addresses.includes(mesh.inner)) ops.push({ kind: 'addAddress', device, address: mesh.inner });
  if (!isUp) ops.push({ kind: 'setUp', device });
  return ops;
}

function linkOps(device: Device, peers: readonly MeshPeer[], nowMs: number): readonly MeshOp[] {
  const wanted = linksFor(device, peers);
  const set = [...wanted.values()].filter((link) => !isSame(link, device.links.get(link.publicKey), nowMs));
  const remove = [...device.links.keys()].filter((key) => !wanted.has(key));
  return set.length + remove.length === 0 ? [] : [{ kind: 'link', device: device.name, set, remove }];
}

/** Two nodes that say the same key are one for WireGuard: what is sent to either is for who has the private part. */
function linksFor(device: Device, peers: readonly MeshPeer[]): ReadonlyMap<string, WantedLink> {
  const links = new Map<string, WantedLink>();
  for (const peer of peers) {
    const publicKey = keyFor(peer, device);
    if (publicKey === undefined || publicKey === device.publicKey) continue;
    const known = links.get(publicKey);
    const allowed = [...(known?.allowed ?? []), `${peer.inner}/128`].sort();
    links.set(publicKey, {
      publicKey,
      allowed,
      endpoint: known?.endpoint ?? endpointOf(peer.address, device.made?.epoch ?? 0),
    });
  }
  return links;
}

/** From where a peer that is heard sends, WireGuard knows best: it may have several addresses. */
const isSame = (wanted: WantedLink, is: Link | undefined, nowMs: number): boolean =>
  is !== undefined &&
  (is.endpoint === wanted.endpoint || isFresh(is, nowMs)) &&
  is.keepalive === keepaliveSeconds &&
  JSON.stringify([...is.allowed].sort()) === JSON.stringify(wanted.allowed);

export const endpointOf = (address: string, epoch: number): string =>
  `${address.includes(':') ? `[${address}]` : address}:${String(portOf(epoch))}`;
