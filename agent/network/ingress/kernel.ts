import type { Run } from '../commands.ts';
import { check, LoadedTables, without } from '../nft.ts';
import { markMask, ruleset } from './rules.ts';
import type { IngressPort } from './ports.ts';

type Family = 'ip' | 'ip6';

/** The ingress tables as the kernel has them, by the `nft`, `iptables` and `conntrack` commands. */
export class IngressKernel {
  readonly #run: Run;
  readonly #table: string;
  readonly #ipv6: () => boolean;
  /** Nothing of IPv6 is there: neither of now, nor of an earlier run. */
  #isClean6 = false;
  /** Families whose forwarding rules were seen to. */
  #accepted = '';
  readonly #rules: LoadedTables;
  /** Containers whose bridge is set: a bridge is made anew with its network, and forgets. */
  #localnet: ReadonlySet<string> = new Set();
  /** Bridges on which 127.0.0.1 leads nowhere. */
  readonly #closed = new Set<string>();

  constructor(options: { run: Run; table: string; ipv6: () => boolean }) {
    this.#run = options.run;
    this.#table = options.table;
    this.#ipv6 = options.ipv6;
    this.#rules = new LoadedTables({
      ...{ run: options.run, doing: 'loading the rules of published ports', packages },
      tables: () => this.#families.map((family) => `${family} ${options.table}`),
    });
  }

  get #families(): readonly Family[] {
    return this.#ipv6() ? ['ip', 'ip6'] : ['ip'];
  }

  /** Loads the rules when they are others than those loaded last, or, with `verify`, than those the kernel has. */
  async apply(ports: readonly IngressPort[], verify: boolean): Promise<void> {
    const families = this.#families;
    const text = ruleset(this.#table, ports, families);
    if (families.join() !== this.#accepted) await this.acceptForwarding();
    if (families.length === 1) await this.#clean6();
    else this.#isClean6 = false;
    await this.#rules.load(text, verify);
  }

  /** Removes the tables; and what several agents share, when no other agent's table is left. */
  async remove(): Promise<void> {
    await this.#rules.remove();
    await this.#clean6();
    const { stdout } = await this.#run(['nft', 'list', 'tables']);
    if (stdout.includes(' orc_ingress')) return;
    for (const command of ['iptables', 'ip6tables'])
      for (let i = 0; i < 8; i++)
        if ((await this.#run([command, '-w', '5', '-D', ...acceptRule])).code !== 0) break;
  }

  /**
   * Has the forwarding rules of the engine let our connections pass (it drops what it did not publish itself). Where the
   * engine manages no such chain, there is nothing of its to get past.
   */
  async acceptForwarding(): Promise<void> {
    const families = this.#families;
    this.#accepted = families.join();
    for (const command of families.map((family) => (family === 'ip' ? 'iptables' : 'ip6tables'))) {
      if ((await this.#run([command, '-w', '5', '-C', ...acceptRule])).code === 0) continue;
      if ((await this.#run([command, '-w', '5', '-n', '-L', 'DOCKER-USER'])).code !== 0) continue;
      check(
        await this.#run([command, '-w', '5', '-I', ...acceptRule]),
        'accepting published ports',
        packages,
      );
    }
  }

  /** Lets 127.0.0.1 reach containers on their bridges; the rules' `guard` closes the way back. True: there were new ones. */
  async routeLocalnet(
    containers: readonly { readonly id: string; readonly bridge: string }[],
    verify: boolean,
  ): Promise<boolean> {
    const fresh = containers.filter(({ id }) => verify || !this.#localnet.has(id));
    const failed = new Set<string>();
    for (const bridge of new Set(fresh.map((container) => container.bridge))) {
      const { code } = await this.#run(['tee', `/proc/sys/net/ipv4/conf/${bridge}/route_localnet`], '1');
      if (code !== 0) failed.add(bridge);
    }
    this.#localnet = new Set(containers.filter(({ bridge }) => !failed.has(bridge)).map(({ id }) => id));
    return fresh.length > 0;
  }

  /**
   * Takes that back on all other bridges, where no published port needs it any more: with the last port the `guard` goes,
   * and a container could send to what listens on 127.0.0.1 of the node.
   */
  async closeLocalnet(
    bridges: readonly string[],
    containers: readonly { readonly bridge: string }[],
  ): Promise<void> {
    const open = new Set(containers.map(({ bridge }) => bridge));
    for (const bridge of this.#closed)
      if (open.has(bridge) || !bridges.includes(bridge)) this.#closed.delete(bridge);
    for (const bridge of bridges) {
      if (open.has(bridge) || this.#closed.has(bridge)) continue;
      const { code } = await this.#run(['tee', `/proc/sys/net/ipv4/conf/${bridge}/route_localnet`], '0');
      if (code === 0) this.#closed.add(bridge);
    }
  }

  /**
   * Lets a container reach itself through a published port: with br_netfilter such a frame goes back out of the bridge
   * port that it came in by, which a bridge does only in hairpin mode.
   */
  async hairpin(containers: readonly { readonly bridge: string }[]): Promise<void> {
    const bridges = new Set(containers.map(({ bridge }) => bridge));
    const { code, stdout } = await this.#run(['bridge', '-d', '-j', 'link', 'show']);
    if (code !== 0) return;
    const links = JSON.parse(stdout) as readonly { ifname: string; master?: string; hairpin?: boolean }[];
    const off = links.filter(
      ({ master, hairpin }) => master !== undefined && bridges.has(master) && !hairpin,
    );
    if (off.length === 0) return;
    const lines = off.map(({ ifname }) => `link set dev ${ifname} hairpin on\n`).join('');
    // A container may be gone by now; the rest counts.
    await this.#run(['bridge', '-force', '-batch', '-'], lines);
  }

  /** Forgets UDP flows to a port, or only those to one address behind it, so that the next datagram is sent anew. */
  async forgetUDP(published: number, backend?: string): Promise<void> {
    const families = backend === undefined ? this.#families : [backend.includes(':') ? 'ip6' : 'ip'];
    const source = backend === undefined ? [] : ['--reply-src', backend];
    for (const family of families)
      await this.#run([
        ...['conntrack', '-D', '-f', family === 'ip' ? 'ipv4' : 'ipv6', '-p', 'udp'],
        ...['--orig-port-dst', String(published), ...source],
      ]);
  }

  /** Where the kernel has no IPv6 there is nothing to be removed. */
  async #clean6(): Promise<void> {
    if (this.#isClean6) return;
    await this.#run(['nft', '-f', '-'], without(`ip6 ${this.#table}`));
    this.#isClean6 = true;
  }
}

const packages = 'nftables and iptables';
const acceptRule = ['DOCKER-USER', '-m', 'connmark', '--mark', markMask, '-j', 'ACCEPT'];
