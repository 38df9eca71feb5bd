import type { Bridge, Kernel, Op, Tunnel } from './types.ts';

/** The kernel after these changes, if each of them was made. Pure: what `plan` needs until the kernel is read again. */
export function applied(kernel: Kernel, ops: readonly Op[]): Kernel {
  const tunnels = new Map(kernel.tunnels);
  const bridges = new Map(kernel.bridges);
  const neighbours = new Map(kernel.neighbours);
  const routes = new Map(kernel.routes);
  const change = (device: string, make: (is: Tunnel) => Partial<Tunnel>): void => {
    const is = tunnels.get(device);
    if (is !== undefined) tunnels.set(device, { ...is, ...make(is) });
  };
  const know = (device: string, make: (is: Map<string, string>) => void): void => {
    const own = new Map(neighbours.get(device));
    make(own);
    neighbours.set(device, own);
  };
  for (const op of ops) {
    if (op.kind === 'neighbour') know(op.device, (own) => own.set(op.ip, op.mac));
    else if (op.kind === 'forgetNeighbour') know(op.device, (own) => own.delete(op.ip));
    else if (op.kind === 'setRoute') routes.set(op.device, new Set(routes.get(op.device)).add(op.route));
    else step(op, tunnels, bridges, change);
    if (op.kind !== 'removeTunnel') continue;
    neighbours.delete(op.device);
    routes.delete(op.device);
  }
  return { tunnels, bridges, neighbours, routes };
}

function step(
  op: Exclude<Op, { readonly kind: 'neighbour' | 'forgetNeighbour' | 'setRoute' }>,
  tunnels: Map<string, Tunnel>,
  bridges: Map<string, Bridge>,
  change: (device: string, make: (is: Tunnel) => Partial<Tunnel>) => void,
): void {
  const changeBridge = (make: () => Partial<Bridge>): void => {
    const is = bridges.get(op.device);
    if (is !== undefined) bridges.set(op.device, { ...is, ...make() });
  };
  switch (op.kind) {
    case 'addTunnel': {
      const { device, vni, local, port } = op;
      const none = { mtu: 0, master: '', mac: '', address: '', address6: '', isUp: false, isQuiet: false };
      tunnels.set(device, { device, vni, local, port, ...none, forwards: new Map(), bridged: new Set() });
      return;
    }
    case 'removeTunnel':
      tunnels.delete(op.device);
      return;
    case 'setMtu':
      return change(op.device, () => ({ mtu: op.mtu }));
    case 'setMaster':
      return change(op.device, () => ({
        ...{ master: op.master, mac: '', isQuiet: false },
        bridged: new Set<string>(),
      }));
    case 'setMac':
      changeBridge(() => ({ mac: op.mac }));
      return change(op.device, () => ({ mac: op.mac }));
    case 'addAddress':
      changeBridge(() => addressed(op.address, op.address));
      return change(op.device, () => addressed(op.address, op.address));
    case 'removeAddress':
      changeBridge(() => addressed(op.address, ''));
      return change(op.device, () => addressed(op.address, ''));
    case 'setUp':
      changeBridge(() => ({ isUp: true }));
      return change(op.device, () => ({ isUp: true }));
    case 'setQuiet':
      return change(op.device, () => ({ isQuiet: true }));
    case 'forward':
      return change(op.device, ({ forwards }) => ({ forwards: new Map(forwards).set(op.mac, op.to) }));
    case 'unforward':
      return change(op.device, ({ forwards }) => ({ forwards: without(forwards, op.mac) }));
    case 'bridge':
      return change(op.device, ({ bridged }) => ({ bridged: new Set(bridged).add(op.mac) }));
    case 'unbridge':
      return change(op.device, ({ bridged }) => ({
        bridged: new Set([...bridged].filter((mac) => mac !== op.mac)),
      }));
  }
}

/** The field that an address of its family is in. */
const addressed = (
  of: string,
  address: string,
): { readonly address: string } | { readonly address6: string } =>
  of.includes(':') ? { address6: address } : { address };

function without<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
