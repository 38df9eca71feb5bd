/** Encrypted networks between network namespaces of this machine: nodes `a` and `b` with a container, `c` without. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { run, type CommandResult, type Run } from '../../agent/network/commands.ts';
import { clearMesh } from '../../agent/network/encryption/clear.ts';
import {
  Encryption,
  innerAddress,
  innerVxlanPort,
  type Mesh,
  type MeshPeer,
} from '../../agent/network/encryption/index.ts';
import { lingerMs, patienceMs } from '../../agent/network/encryption/plan.ts';
import { readMesh } from '../../agent/network/encryption/read.ts';
import { clearTunnels } from '../../agent/network/overlay/clear.ts';
import { Overlay, type OverlayNetwork } from '../../agent/network/overlay/index.ts';
import { FakeClock, type Clock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { eventually } from '../harness/cluster.ts';
import { frameOf, Spaces, type TestNode } from './agent-network-harness.ts';

const spaces = new Spaces('en', ['a', 'b', 'c', 'a1', 'b1']);
const within = (name: string): Run => spaces.within(name);
const lines = (name: string, text: string): Promise<void> => spaces.lines(name, text);

interface TaggedNode extends TestNode {
  /** Their processes have one /run: their devices have names of their own. */
  readonly tag: string;
}
const tagOf = (n: number): string => ((process.pid * 4 + n) % 0x10000).toString(16).padStart(4, '0');
const a: TaggedNode = {
  ...{ name: 'a', tag: tagOf(0), address: '10.99.0.1', gateway: '10.64.15.254', ip: '10.64.1.1' },
};
const b: TaggedNode = {
  ...{ name: 'b', tag: tagOf(1), address: '10.99.0.2', gateway: '10.64.15.253', ip: '10.64.1.33' },
};
const c: TaggedNode = { name: 'c', tag: tagOf(2), address: '10.99.0.3', gateway: '10.64.15.252', ip: '' };
const nodes = [a, b, c];
const mtu = 1350;
const innerOf = ({ name }: TaggedNode): string => innerAddress('cluster', name);

/** What passes the switch, as text. */
async function capture(): Promise<{ end(): Promise<string> }> {
  const [command = '', ...args] = spaces.argv('switch', [
    'tcpdump',
    '-l',
    '--immediate-mode',
    '-n',
    '-A',
    '-i',
    'br0',
  ]);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  for await (const line of createInterface({ input: child.stderr })) if (line.includes('listening on')) break;
  child.stderr.resume();
  return {
    async end() {
      child.kill('SIGINT');
      await once(child, 'close');
      return text;
    },
  };
}

const children: ChildProcess[] = [];
const spawnWithin = (name: string, argv: readonly string[]) => {
  const [command = '', ...args] = spaces.argv(name, argv);
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  return child;
};

/** Prints what comes to port 9999. */
const listen = `require('dgram').createSocket('udp4').on('message', (data) => console.log(String(data))).bind(9999);`;

/** A ping each 20 ms. `lost` ends it: the numbers that had no answer. */
async function streamOf(from: string, to: string): Promise<{ lost(): Promise<readonly number[]> }> {
  const child = spawnWithin(from, ['busybox', 'ping', '-i', '0.02', to]);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const seen = (): readonly number[] => [...text.matchAll(/seq=(\d+)/g)].map(([, seq]) => Number(seq));
  await eventually('the stream flows', () => Promise.resolve(seen().length > 10 ? true : undefined));
  return {
    async lost() {
      const count = seen().length;
      await eventually('it still flows', () =>
        Promise.resolve(seen().length > count + 10 ? true : undefined),
      );
      child.kill('SIGINT');
      await once(child, 'close');
      const all = new Set(seen());
      return Array.from({ length: Math.max(...all) }, (_, i) => i).filter((seq) => !all.has(seq));
    },
  };
}

describe('an encrypted network across nodes', () => {
  let epoch = 1;
  /** Who is in the network now. */
  let members: readonly TaggedNode[] = nodes;
  /** The system's, moved forward: WireGuard has no other. */
  let aheadMs = 0;
  const clock: Clock = { now: () => Date.now() + aheadMs, after: () => () => undefined };
  const meshOf = (self: TaggedNode): Mesh | undefined =>
    members.includes(self)
      ? {
          ...{ epoch, inner: innerOf(self), mtu: 1420 },
          peers: members
            .filter((node) => node !== self)
            .map((node): MeshPeer => ({
              ...{ node: node.name, address: node.address, inner: innerOf(node) },
              keys: agents.get(node)?.encryption.status.keys ?? [],
            })),
        }
      : undefined;
  const networkOf = (self: TaggedNode): OverlayNetwork => ({
    ...{ key: 'default/web', vni: 4097, subnet: '10.64.0.0/20', gateway: self.gateway, mtu },
    ...(self.ip === '' ? {} : { bridge: 'orc-1' }),
    inner: innerOf(self),
    peers: members
      .filter((node) => node !== self)
      .map((node) => ({
        ...{ address: innerOf(node), gateway: node.gateway },
        ips: node.ip === '' ? [] : [node.ip],
      })),
  });
  /** An agent's part of it, as it is after a start. */
  const agentOf = (node: TaggedNode) => {
    const encryption = new Encryption({
      ...{ run: within(node.name), tag: node.tag, inner: innerOf(node), clock, logger: silentLogger },
      mesh: () => meshOf(node),
      onChange: () => undefined,
    });
    const overlay = new Overlay({
      ...{ run: within(node.name), local: () => undefined, tag: node.tag },
      networks: () => (members.includes(node) && encryption.isGuarded ? [networkOf(node)] : []),
      ...{ clock: new FakeClock(), logger: silentLogger },
    });
    return { encryption, overlay };
  };
  const agents = new Map<TaggedNode, ReturnType<typeof agentOf>>();
  const agentAt = (node: TaggedNode): ReturnType<typeof agentOf> => {
    const agent = agents.get(node);
    if (agent === undefined) throw new Error(`no agent of ${node.name}`);
    return agent;
  };
  const syncOf = async (node: TaggedNode): Promise<void> => {
    const { encryption, overlay } = agentAt(node);
    await encryption.sync();
    await overlay.again();
  };
  /** Keys are made, told, and used. */
  const all = async (): Promise<void> => {
    await Promise.all(nodes.map(syncOf));
    await Promise.all(nodes.map(syncOf));
  };
  const kernelOf = (node: TaggedNode) => readMesh(within(node.name), node.tag, undefined);
  const problems = (): readonly (string | undefined)[] =>
    [...agents.values()].flatMap(({ encryption, overlay }) => [encryption.problem, overlay.problem]);
  const ping = (from: string, to: string, size = 56): Promise<CommandResult> =>
    within(from)(['busybox', 'ping', '-c', '1', '-W', '2', '-s', String(size), to]);
  const reaches = (from: string, to: string): Promise<true> =>
    eventually(`${from} reaches ${to}`, async () => ((await ping(from, to)).code === 0 ? true : undefined));
  const handshakes = (device: string): Promise<true> =>
    eventually(`all have a session by ${device}`, async () => {
      const kernels = await Promise.all(nodes.map(kernelOf));
      const links = kernels.flatMap(({ devices }) =>
        devices.filter(({ name }) => name.endsWith(device)).flatMap(({ links: own }) => [...own.values()]),
      );
      return links.length === 6 && links.every(({ handshakeMs }) => handshakeMs > 0) ? true : undefined;
    });

  beforeAll(async () => {
    await spaces.start(nodes);
    await Promise.all([a, b].map((node) => spaces.addContainer(node, mtu)));
    for (const node of nodes) agents.set(node, agentOf(node));
    await Promise.all([...agents.values()].map(({ encryption }) => encryption.look()));
  }, 60_000);
  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    for (const { encryption, overlay } of agents.values()) {
      await overlay.close(true);
      await encryption.close(true);
    }
    await spaces.stop();
  }, 30_000);

  test('joins containers on two nodes, and a node that has none, up to the largest packet', async () => {
    await all();
    expect(problems()).toEqual(Array(6).fill(undefined));
    for (const [from, to] of [
      ['a1', b.ip],
      ['b1', a.ip],
      ['c', a.ip],
      ['c', b.ip],
      ['a1', c.gateway],
    ] as const)
      await reaches(from, to);
    expect(await ping('a1', b.ip, mtu - 28)).toMatchObject({ code: 0 });
  }, 60_000);

  test('shows nothing of itself on the wire', async () => {
    const wire = await capture();
    const { code } = await within('a1')(['busybox', 'ping', '-c', '20', '-i', '0.05', '-p', '73', b.ip]);
    expect(code).toBe(0);
    const text = await wire.end();
    // What ping sends is the letter s, again and again.
    expect(text.split('10.99.0.1.6753 > 10.99.0.2.6753').length).toBeGreaterThan(20);
    expect(text).not.toContain('ssss');
    expect(text).not.toMatch(/VXLAN|vni|10\.64\./);
  }, 30_000);

  test('takes nothing that comes in clear, by the wire or from a container', async () => {
    // An encapsulated datagram for b1, as one who knows all but the keys would forge it.
    const inner = frameOf(4097, a.ip, b.ip, 'forged');
    const listener = spawnWithin('b1', [process.execPath, '-e', listen]);
    const heard: string[] = [];
    listener.stdout.on('data', (chunk: Buffer) => heard.push(chunk.toString()));
    await lines('b', 'ip -6 addr add fd00:99::2/64 dev eth0 nodad');
    // Another machine on the wire.
    await lines('switch', 'ip addr add fd00:99::3/64 dev br0 nodad\nip addr add 10.99.0.9/24 dev br0');
    await lines('b', `ip -6 addr add fd00:98::1/64 dev orc-1 nodad`);
    await lines('b1', 'ip -6 addr add fd00:98::2/64 dev eth0 nodad');
    // Without the rules it gets in: what is forged is worth forging.
    const table = `orc_mesh_${b.tag}`;
    const rules = (await within('b')(['nft', 'list', 'table', 'ip6', table])).stdout;
    await lines('b', `nft delete table ip6 ${table}`);
    await eventually('a forged packet gets in', async () => {
      await spaces.send('switch', 'fd00:99::2', innerVxlanPort, inner);
      return heard.join('').includes('forged') ? true : undefined;
    });
    // They are back with the next look, and nothing gets in any more; what is sent after it does.
    await syncOf(b);
    expect((await within('b')(['nft', 'list', 'table', 'ip6', table])).stdout).toBe(rules);
    heard.length = 0;
    for (const [from, to] of [
      ['switch', 'fd00:99::2'],
      ['b1', 'fd00:98::1'],
      ['b', '::1'],
    ] as const)
      await spaces.send(from, to, innerVxlanPort, inner);
    // And nothing by the port of networks in clear.
    await spaces.send('switch', b.address, 4789, inner);
    await eventually('what is sent by the network gets in', async () => {
      await spaces.send('a1', b.ip, 9999, Buffer.from('honest'));
      return heard.join('').includes('honest') ? true : undefined;
    });
    expect(heard.join('')).not.toContain('forged');
  }, 30_000);

  test('sends nothing in clear when its devices are taken away, and has them back with the next look', async () => {
    const wire = await capture();
    // Another way, as most machines have one.
    await lines('a', 'ip -6 addr add fd00:99::1/64 dev eth0 nodad');
    await lines('a', 'ip -6 route add default via fd00:99::3 dev eth0');
    const [device] = (await kernelOf(a)).devices;
    await lines('a', `ip link del ${device?.name ?? ''}`);
    expect(await ping('a1', b.ip)).not.toMatchObject({ code: 0 });
    const before = device?.publicKey;
    await all();
    await reaches('a1', b.ip);
    expect((await kernelOf(a)).devices[0]?.publicKey).not.toBe(before);
    const text = await wire.end();
    expect(text).not.toMatch(/fd6f:7263|\.6754/);
  }, 30_000);

  test('knows a process that has died by its device, and makes another', async () => {
    const [device] = (await kernelOf(b)).devices;
    const { stdout } = await run(['pgrep', '-f', '-x', `wireguard-go ${device?.name ?? ''}`]);
    process.kill(Number(stdout.trim()), 'SIGKILL');
    await eventually('the device is gone with it', async () =>
      (await kernelOf(b)).devices.length === 0 ? true : undefined,
    );
    await all();
    expect(problems()).toEqual(Array(6).fill(undefined));
    await reaches('a1', b.ip);
  }, 30_000);

  test('does not let in who has a key that the managers have not told of', async () => {
    const known = agentAt(c).encryption.status.keys ?? [];
    // Its own process makes it a new one; the others are not told.
    await lines('c', `ip link del ${(await kernelOf(c)).devices[0]?.name ?? ''}`);
    await syncOf(c);
    const strange = agentAt(c).encryption.status.keys ?? [];
    expect(strange).not.toEqual(known);
    expect(await ping('c', a.ip)).not.toMatchObject({ code: 0 });
    expect((await kernelOf(a)).devices.flatMap(({ links }) => [...links.keys()])).not.toContain(
      strange[0]?.publicKey,
    );
    await all();
    await reaches('c', a.ip);
  }, 30_000);

  test('goes on without its agent, and with a new one, on the same keys', async () => {
    const stream = await streamOf('a1', b.ip);
    const before = await Promise.all(nodes.map(async (node) => (await kernelOf(node)).devices));
    for (const node of nodes) {
      const { encryption, overlay } = agentAt(node);
      await Promise.all([encryption.close(), overlay.close()]);
      agents.set(node, agentOf(node));
      await agentAt(node).encryption.look();
    }
    await all();
    const after = await Promise.all(nodes.map(async (node) => (await kernelOf(node)).devices));
    const keysOf = (all: typeof before): readonly string[] => all.flat().map(({ publicKey }) => publicKey);
    expect(keysOf(after)).toEqual(keysOf(before));
    expect(await stream.lost()).toEqual([]);
  }, 30_000);

  test('changes its keys under a steady stream, and loses none of it', async () => {
    const stream = await streamOf('a1', b.ip);
    epoch = 2;
    // One node after the other, as they are told.
    for (const node of [b, c, a, c, a, b]) await syncOf(node);
    await handshakes('-0');
    await all();
    for (const node of nodes) {
      const { routes } = await kernelOf(node);
      expect([...routes.values()]).toEqual(Array(2).fill(`ow${node.tag}-0`));
    }
    // The old ones stay for those that turn later, and then go.
    aheadMs += lingerMs / 2;
    await all();
    expect((await Promise.all(nodes.map(kernelOf))).map(({ devices }) => devices.length)).toEqual([2, 2, 2]);
    aheadMs += lingerMs / 2;
    await all();
    expect((await Promise.all(nodes.map(kernelOf))).map(({ devices }) => devices.length)).toEqual([1, 1, 1]);
    await reaches('b1', a.ip);
    expect(await stream.lost()).toEqual([]);
  }, 60_000);

  test('reaches a node that has no new key by the old one', async () => {
    const stream = await streamOf('a1', b.ip);
    epoch = 3;
    // The agent of b is away.
    for (const node of [a, c, a, c]) await syncOf(node);
    const { routes } = await kernelOf(a);
    expect(routes.get(innerOf(b))).toBe(`ow${a.tag}-0`);
    aheadMs += lingerMs * 2;
    await Promise.all([syncOf(a), syncOf(c)]);
    expect((await kernelOf(a)).devices).toHaveLength(2);
    expect(await stream.lost()).toEqual([]);
    aheadMs += patienceMs;
    await Promise.all([syncOf(a), syncOf(c)]);
    expect((await kernelOf(a)).devices).toHaveLength(1);
    await all();
    await reaches('a1', b.ip);
  }, 60_000);

  test('is gone from a node that has left its cluster', async () => {
    const run = within(c.name);
    await clearTunnels(run, c.tag);
    for (let twice = 0; twice < 2; twice++) await clearMesh(run, c.tag);
    const { devices, routes, hasGuard, rules } = await kernelOf(c);
    expect([devices.length, routes.size, hasGuard, rules]).toEqual([0, 0, false, 'none']);
    expect((await run(['ip', '-o', 'link', 'show', 'type', 'vxlan'])).stdout).toBe('');
  });

  test('is gone with the last encrypted network, also when the agent was killed in between', async () => {
    members = [a, b];
    await all();
    members = [];
    for (const node of nodes) {
      // Nothing was told to the one before.
      agents.set(node, agentOf(node));
      await agentAt(node).encryption.look();
      await syncOf(node);
      const { devices, routes, hasGuard } = await kernelOf(node);
      expect([devices.length, routes.size, hasGuard]).toEqual([0, 0, false]);
      expect((await within(node.name)(['nft', 'list', 'tables'])).stdout).not.toContain('orc_mesh');
      expect((await within(node.name)(['ip', '-o', 'link', 'show', 'type', 'vxlan'])).stdout).toBe('');
    }
    await eventually('no process is left', async () => {
      const { stdout } = await run([
        'pgrep',
        '-f',
        `^wireguard-go ow(${nodes.map(({ tag }) => tag).join('|')})-`,
      ]);
      return stdout.trim() === '' ? true : undefined;
    });
  }, 30_000);
});
