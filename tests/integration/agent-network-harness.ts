/**
 * Nodes in network namespaces of this machine, on one switch, and containers behind their bridges as an engine makes
 * them: a node `a` has the container `a1`. Needs root.
 */
import { run, type Run } from '../../agent/network/commands.ts';
import { macOf } from '../../agent/network/overlay/index.ts';
import { ip6Of } from '../../api-schemas/index.ts';

export interface TestNode {
  readonly name: string;
  /** On the wire. */
  readonly address: string;
  readonly gateway: string;
  /** Of its container; empty where it has none. */
  readonly ip: string;
}

/** All of them are one thing: made by `start`, gone with `stop`. */
export class Spaces {
  readonly #names: readonly string[];
  readonly #prefix: string;

  /** `prefix` keeps tests that run at once apart. */
  constructor(prefix: string, names: readonly string[]) {
    this.#names = ['switch', ...names];
    this.#prefix = `orc-${prefix}`;
  }

  ns(name: string): string {
    return `${this.#prefix}-${name}-${String(process.pid)}`;
  }

  argv(name: string, argv: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', this.ns(name), ...argv];
  }

  within(name: string): Run {
    return (argv, stdin) => run(this.argv(name, argv), stdin);
  }

  /** Runs commands, one a line; throws with what the first that fails said. */
  async lines(name: string, text: string): Promise<void> {
    for (const line of text.trim().split('\n')) await must(this.argv(name, line.trim().split(' ')));
  }

  async start(nodes: readonly TestNode[]): Promise<void> {
    for (const name of this.#names) await must(['ip', 'netns', 'add', this.ns(name)]);
    await this.lines('switch', 'ip link add br0 type bridge\nip link set br0 up');
    for (const { name, address } of nodes) {
      await this.lines('switch', `ip link add p-${name} type veth peer name eth0 netns ${this.ns(name)}`);
      await this.lines('switch', `ip link set p-${name} master br0 up`);
      await this.lines(name, `ip link set lo up\nip link set eth0 up\nip addr add ${address}/24 dev eth0`);
    }
  }

  async stop(): Promise<void> {
    for (const name of this.#names) await run(['ip', 'netns', 'del', this.ns(name)]);
  }

  /** The bridge `orc-1`, and a container on it; with IPv6 where the network has a prefix. */
  async addContainer({ name, gateway, ip }: TestNode, mtu: number, subnet6?: string): Promise<void> {
    const inside = `${name}1`;
    await this.lines(
      name,
      `ip link add orc-1 type bridge
       ip link set orc-1 mtu ${String(mtu)} up
       ip addr add ${gateway}/20 dev orc-1
       ip link add v1 type veth peer name eth0 netns ${this.ns(inside)}
       ip link set v1 master orc-1 mtu ${String(mtu)} up`,
    );
    await this.lines(
      inside,
      `ip link set eth0 address ${macOf(ip)} mtu ${String(mtu)} up
       ip addr add ${ip}/20 dev eth0
       ip route add default via ${gateway}`,
    );
    if (subnet6 === undefined) return;
    await this.lines(name, `ip addr add ${ip6Of(subnet6, gateway)}/64 dev orc-1 nodad`);
    await this.lines(
      inside,
      `ip addr add ${ip6Of(subnet6, ip)}/64 dev eth0 nodad
       ip -6 route add default via ${ip6Of(subnet6, gateway)}`,
    );
  }

  /** Sends one datagram. */
  async send(from: string, to: string, port: number, data: Buffer): Promise<void> {
    const script = `const s = require('dgram').createSocket('${to.includes(':') ? 'udp6' : 'udp4'}');
      s.send(Buffer.from('${data.toString('hex')}', 'hex'), ${String(port)}, '${to}', () => s.close());`;
    await must(this.argv(from, [process.execPath, '-e', script]));
  }
}

async function must(argv: readonly string[]): Promise<void> {
  const { code, stderr } = await run(argv);
  if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`);
}

const bytes = (...values: readonly number[]): Buffer => Buffer.from(values);
const word = (value: number): Buffer => bytes(value >> 8, value & 255);
const macBytes = (ip: string): Buffer => Buffer.from(macOf(ip).replaceAll(':', ''), 'hex');
const ipBytes = (ip: string): Buffer => bytes(...ip.split('.').map(Number));

/** What a tunnel sends, as a forger makes it: a datagram for port 9999 of a container, from another of the network. */
export function frameOf(vni: number, from: string, to: string, text: string): Buffer {
  const data = Buffer.from(text);
  const udp = Buffer.concat([word(9998), word(9999), word(8 + data.length), word(0), data]);
  const head = Buffer.concat([
    ...[bytes(0x45, 0), word(20 + udp.length), word(0), word(0), bytes(64, 17), word(0)],
    ...[ipBytes(from), ipBytes(to)],
  ]);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += head.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  head.writeUInt16BE(~sum & 0xffff, 10);
  const ethernet = Buffer.concat([macBytes(to), macBytes(from), word(0x0800)]);
  const vxlan = bytes(8, 0, 0, 0, vni >> 16, (vni >> 8) & 255, vni & 255, 0);
  return Buffer.concat([vxlan, ethernet, head, udp]);
}
