import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { innerAddress, meshDevice, portOf } from './names.ts';
import { endpointOf, keepaliveSeconds, lingerMs, patienceMs, planMesh } from './plan.ts';
import type { Device, Link, Mesh, MeshKernel, MeshOp, MeshPeer } from './types.ts';

const tag = 'ab12';
const nowMs = Date.parse('2030-01-01T00:00:00Z');
const inner = innerAddress('cluster', 'a');
const keyOf = (node: string, epoch: number): string => `${node}-${epoch}`;
const peer = (node: string, ...epochs: readonly number[]): MeshPeer => ({
  ...{ node, address: `10.77.0.${node.charCodeAt(0)}`, inner: innerAddress('cluster', node) },
  keys: epochs.map((epoch) => ({ epoch, publicKey: keyOf(node, epoch) })),
});
const mesh = (epoch: number, ...peers: readonly MeshPeer[]): Mesh => ({ epoch, inner, mtu: 1420, peers });
const link = (of: MeshPeer, epoch: number, handshakeMs = 0): readonly [string, Link] => [
  keyOf(of.node, epoch),
  {
    ...{ endpoint: endpointOf(of.address, epoch), allowed: [`${of.inner}/128`] },
    ...{ keepalive: keepaliveSeconds, handshakeMs },
  },
];
const device = (epoch: number, madeMs: number, ...links: readonly (readonly [string, Link])[]): Device => ({
  ...{
    name: meshDevice(tag, epoch),
    made: { epoch, madeMs },
    method: 'wireguard',
    publicKey: keyOf('a', epoch),
  },
  ...{ port: portOf(epoch), mtu: 1420, isUp: true, addresses: [inner], links: new Map(links) },
});
const kernel = (devices: readonly Device[], routes: Readonly<Record<string, string>> = {}): MeshKernel => ({
  ...{ devices, routes: new Map(Object.entries(routes)), hasGuard: true, rules: 'loaded' },
});
const empty: MeshKernel = { devices: [], routes: new Map(), hasGuard: false, rules: 'none' };
const opsOf = (wanted: Mesh | undefined, found: MeshKernel, settledMs?: number): readonly MeshOp[] =>
  planMesh(wanted, found, tag, nowMs, settledMs).ops;
const kinds = (ops: readonly MeshOp[]): readonly string[] => ops.map(({ kind }) => kind);
const [one, zero] = [meshDevice(tag, 1), meshDevice(tag, 2)];

describe('the mesh of encrypted networks', () => {
  const b = peer('b', 1);
  const both = peer('b', 1, 2);

  test('is guarded before there is anything to guard', () => {
    expect(kinds(opsOf(mesh(1, b), empty))).toEqual(['guard', 'rules', 'make']);
  });

  test('leads to a peer once both have keys of one epoch', () => {
    const silent = peer('c');
    expect(opsOf(mesh(1, b, silent), kernel([device(1, nowMs)]))).toEqual([
      {
        ...{ kind: 'link', device: one, remove: [] },
        set: [{ publicKey: 'b-1', allowed: [`${b.inner}/128`], endpoint: '10.77.0.98:6753' }],
      },
      { kind: 'route', inner: b.inner, device: one },
    ]);
  });

  test('lets nobody in that it was not told of', () => {
    const stranger = peer('x', 1);
    const found = kernel([device(1, nowMs, link(b, 1), link(stranger, 1))], {
      [b.inner]: one,
      [stranger.inner]: one,
    });
    expect(opsOf(mesh(1, b), found)).toEqual([
      { kind: 'link', device: one, set: [], remove: ['x-1'] },
      { kind: 'unroute', inner: stranger.inner, device: one },
    ]);
  });

  test('has a device beside the one that is used when a new epoch begins', () => {
    const used = kernel([device(1, nowMs - 10_000, link(b, 1, nowMs))], { [b.inner]: one });
    expect(opsOf(mesh(2, b), used)).toEqual([{ kind: 'make', device: zero, epoch: 2 }]);
  });

  test('sends by the new epoch when there is a session, and not before', () => {
    const found = (handshakeMs: number): MeshKernel =>
      kernel(
        [device(1, nowMs - 99_000, link(both, 1, nowMs)), device(2, nowMs, link(both, 2, handshakeMs))],
        {
          [both.inner]: one,
        },
      );
    expect(opsOf(mesh(2, both), found(0))).toEqual([]);
    expect(opsOf(mesh(2, both), found(nowMs - 1_000))).toEqual([
      { kind: 'route', inner: both.inner, device: zero },
    ]);
  });

  test('keeps the old device for a while, as the others need not have turned yet', () => {
    const found = kernel(
      [device(1, 0, link(both, 1, nowMs)), device(2, nowMs - 50_000, link(both, 2, nowMs))],
      {
        [both.inner]: zero,
      },
    );
    expect(planMesh(mesh(2, both), found, tag, nowMs, undefined)).toEqual({ ops: [], isSettled: true });
    expect(opsOf(mesh(2, both), found, nowMs - lingerMs + 1)).toEqual([]);
    expect(opsOf(mesh(2, both), found, nowMs - lingerMs)).toEqual([{ kind: 'remove', device: one }]);
  });

  test('keeps it longer for a peer that has no new key, but not for ever', () => {
    const old = device(1, 0, link(b, 1, nowMs));
    const found = (ageMs: number): MeshKernel => kernel([old, device(2, nowMs - ageMs)], { [b.inner]: one });
    expect(opsOf(mesh(2, b), found(patienceMs - 1), 0)).toEqual([]);
    expect(opsOf(mesh(2, b), found(patienceMs))).toEqual([{ kind: 'remove', device: one }]);
  });

  test('makes a device anew that was not made to its end, or is of an epoch that is over', () => {
    const { made: _, ...half } = device(1, nowMs);
    for (const is of [{ ...half, made: undefined }, device(3, nowMs)])
      expect(opsOf(mesh(1, b), kernel([is]))).toEqual([
        { kind: 'remove', device: one },
        { kind: 'make', device: one, epoch: 1 },
      ]);
  });

  test('leaves to WireGuard where a peer that is heard sends from, and corrects that of one that is not', () => {
    const moved = (handshakeMs: number): MeshKernel => {
      const [key, is] = link(b, 1, handshakeMs);
      return kernel([device(1, nowMs, [key, { ...is, endpoint: '192.0.2.7:1' }])], { [b.inner]: one });
    };
    expect(opsOf(mesh(1, b), moved(nowMs - 1_000))).toEqual([]);
    expect(kinds(opsOf(mesh(1, b), moved(nowMs - 300_000)))).toEqual(['link']);
  });

  test('takes nothing away from a peer whose key another node claims to have', () => {
    const thief: MeshPeer = { ...peer('a'), keys: b.keys };
    const [op] = opsOf(mesh(1, thief, b), kernel([device(1, nowMs)], {}));
    expect(op).toMatchObject({
      set: [{ publicKey: 'b-1', allowed: expect.arrayContaining([`${b.inner}/128`]) }],
    });
  });

  test('goes with the last encrypted network, what guards it last', () => {
    expect(opsOf(undefined, kernel([device(1, 0)]))).toEqual([
      { kind: 'remove', device: one },
      { kind: 'unguard' },
      { kind: 'unrule' },
    ]);
    expect(opsOf(undefined, empty)).toEqual([]);
  });

  test('has addresses that are written as the kernel writes them, and that no two nodes share', () => {
    const names = Array.from({ length: 5_000 }, (_, i) => innerAddress('cluster', `n${i}`));
    expect(new Set(names).size).toBe(5_000);
    for (const name of names) expect(name).toMatch(/^fd6f:7263:6500(:[1-9a-f][0-9a-f]{3}){5}$/);
  });

  /** The kernel after the ops, as far as the plan looks at it. */
  const applied = (found: MeshKernel, ops: readonly MeshOp[], wanted: Mesh): MeshKernel => {
    let { devices, hasGuard, rules } = found;
    const routes = new Map(found.routes);
    const change = (name: string, make: (is: Device) => Partial<Device>): void => {
      devices = devices.map((is) => (is.name === name ? { ...is, ...make(is) } : is));
    };
    for (const op of ops)
      switch (op.kind) {
        case 'guard':
        case 'unguard':
          hasGuard = op.kind === 'guard';
          break;
        case 'rules':
        case 'unrule':
          rules = op.kind === 'rules' ? 'loaded' : 'none';
          break;
        case 'make':
          expect(devices.some(({ name }) => name === op.device)).toBe(false);
          devices = [...devices, { ...device(op.epoch, nowMs), mtu: wanted.mtu, addresses: [wanted.inner] }];
          break;
        case 'remove':
          devices = devices.filter(({ name }) => name !== op.device);
          for (const [to, by] of routes) if (by === op.device) routes.delete(to);
          break;
        case 'setMtu':
          change(op.device, () => ({ mtu: op.mtu }));
          break;
        case 'addAddress':
          change(op.device, ({ addresses }) => ({ addresses: [...addresses, op.address] }));
          break;
        case 'removeAddress':
          change(op.device, ({ addresses }) => ({
            addresses: addresses.filter((each) => each !== op.address),
          }));
          break;
        case 'setUp':
          change(op.device, () => ({ isUp: true }));
          break;
        case 'link':
          change(op.device, ({ links }) => {
            const next = new Map(links);
            for (const key of op.remove) next.delete(key);
            for (const { publicKey, endpoint, allowed } of op.set)
              next.set(publicKey, { endpoint, allowed, keepalive: keepaliveSeconds, handshakeMs: 0 });
            return { links: next };
          });
          break;
        case 'route':
          expect(devices.some(({ name }) => name === op.device)).toBe(true);
          routes.set(op.inner, op.device);
          break;
        case 'unroute':
          routes.delete(op.inner);
      }
    return { devices, routes, hasGuard, rules };
  };

  test('comes to be what is wanted from whatever was there, and then changes no more', () => {
    const peers = fc.uniqueArray(
      fc
        .tuple(fc.constantFrom('b', 'c', 'd', 'e'), fc.subarray([1, 2, 3]))
        .map(([node, epochs]) => peer(node, ...epochs)),
      { selector: ({ node }) => node },
    );
    const meshes = fc.tuple(fc.integer({ min: 1, max: 3 }), peers).map(([epoch, all]) => mesh(epoch, ...all));
    fc.assert(
      fc.property(fc.array(meshes, { minLength: 1, maxLength: 6 }), (states) => {
        let is = empty;
        for (const state of states) {
          for (let pass = 0; pass < 3; pass++) is = applied(is, opsOf(state, is), state);
          expect(opsOf(state, is)).toEqual([]);
          const known = new Set(state.peers.map(({ inner: to }) => to));
          for (const [to, by] of is.routes) {
            expect(known.has(to)).toBe(true);
            expect(is.devices.some(({ name }) => name === by)).toBe(true);
          }
          expect([is.hasGuard, is.rules]).toEqual([true, 'loaded']);
        }
      }),
      { numRuns: 500 },
    );
  });
});
