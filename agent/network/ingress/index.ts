import type { Endpoints } from '../../../api-schemas/index.ts';
import type { Clock } from '../../../kit/clock.ts';
import { messageOf } from '../../../kit/errors.ts';
import type { Logger } from '../../../kit/log.ts';
import type { Run } from '../commands.ts';
import type { Hold, Release } from './hold.ts';
import { IngressKernel } from './kernel.ts';
import {
  ingressPorts,
  portName,
  problem,
  type IngressPort,
  type PortProblem,
  type ServingTask,
} from './ports.ts';

/** How often the kernel is compared with what should be there. */
const verifyMs = 5_000;

export interface IngressInput {
  readonly nodeName: string;
  readonly endpoints: readonly Endpoints[];
  readonly serving: readonly (ServingTask & { readonly id: string; readonly bridge: string })[];
  /** All bridges of this node's networks. */
  readonly bridges: readonly string[];
  /** Whether a server has said what this node publishes: then rules of an earlier run that are not wanted may go. */
  readonly complete: boolean;
  /** What the engine programs its rules with; undefined while unknown. */
  readonly firewall: string | undefined;
}

export interface IngressOptions {
  /** nft table, of each family. Agents in one network namespace need different ones; each begins with `orc_ingress`. */
  readonly table: string;
  /** Whether ports are answered by IPv6, too, as of now. */
  readonly ipv6: () => boolean;
  readonly run: Run;
  readonly hold: Hold;
  readonly holder: (protocol: IngressPort['protocol'], port: number) => Promise<string | undefined>;
  readonly input: () => IngressInput;
  readonly onProblems: (problems: readonly PortProblem[]) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Keeps the node's published ports answered by the ready tasks behind them. */
export class Ingress {
  readonly #options: IngressOptions;
  readonly #kernel: IngressKernel;
  readonly #held = new Map<string, Release>();
  #loaded: readonly IngressPort[] = [];
  #problems: readonly PortProblem[] = [];
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #cancel: (() => void) | undefined;
  #closed = false;
  #isBehind = false;
  /** Nothing of an earlier run is left in the kernel. */
  #clean = false;

  constructor(options: IngressOptions) {
    this.#options = options;
    this.#kernel = new IngressKernel(options);
  }

  /** Resolves when the kernel has what is wanted as of this call. Never throws: what fails is a problem of its ports. */
  sync(): Promise<void> {
    return this.#schedule(false);
  }

  /** The kernel did not take what was wanted last. */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  problems(): readonly PortProblem[] {
    return this.#problems;
  }

  /** The ports that are answered, as loaded. */
  ports(): readonly IngressPort[] {
    return this.#loaded;
  }

  /** With `teardown` ports stop answering; else the rules stay and go on without this process. */
  async close(teardown: boolean): Promise<void> {
    this.#closed = true;
    this.#cancel?.();
    await this.#last;
    for (const release of this.#held.values()) release();
    this.#held.clear();
    if (!teardown) return;
    await this.#kernel.remove().catch((error: unknown) => {
      this.#options.logger.warn({ err: error }, 'the rules of published ports could not be removed');
    });
  }

  #schedule(verify: boolean): Promise<void> {
    if (this.#closed) return this.#last;
    this.#next ??= this.#last.then(() => {
      this.#next = undefined;
      return this.#converge(verify);
    });
    return (this.#last = this.#next);
  }

  async #converge(verify: boolean): Promise<void> {
    const { nodeName, endpoints, serving, bridges, complete, firewall } = this.#options.input();
    const wanted = ingressPorts(endpoints, serving, nodeName);
    const idle = wanted.ports.length === 0 && this.#loaded.length === 0;
    // While the rules that guard it are there yet.
    if (complete) await this.#kernel.closeLocalnet(bridges, behind(wanted.ports, serving));
    if (idle && (this.#clean || !complete)) return this.#tell(wanted.problems);
    this.#cancel?.();
    this.#cancel = undefined;
    if (wanted.ports.length > 0)
      this.#cancel = this.#options.clock.after(verifyMs, () => void this.#schedule(true));
    const { ports, problems } = await this.#holdAll(wanted.ports, firewall);
    try {
      await this.#load(ports, serving, verify);
      this.#isBehind = false;
      this.#tell([...wanted.problems, ...problems]);
    } catch (error) {
      this.#isBehind = true;
      this.#options.logger.error({ err: error }, 'published ports cannot be programmed');
      const failed = ports.map((port) => problem(port, 'IngressFailed', messageOf(error)));
      this.#tell([...wanted.problems, ...problems, ...failed]);
    }
  }

  async #load(
    ports: readonly IngressPort[],
    serving: IngressInput['serving'],
    verify: boolean,
  ): Promise<void> {
    if (ports.length === 0) {
      this.#loaded = [];
      await this.#kernel.remove();
      this.#clean = true;
      return;
    }
    const first = this.#loaded.length === 0;
    if (first || verify) await this.#kernel.acceptForwarding();
    const published = behind(ports, serving);
    const fresh = await this.#kernel.routeLocalnet(published, verify);
    await this.#kernel.apply(ports, verify);
    if (fresh) await this.#kernel.hairpin(published);
    const before = this.#loaded;
    this.#loaded = ports;
    for (const port of ports.filter(({ protocol }) => protocol === 'udp')) await this.#unpin(port, before);
  }

  /** UDP flows stay with an address that is gone, or with none, as long as datagrams come. */
  async #unpin(port: IngressPort, before: readonly IngressPort[]): Promise<void> {
    const old = before.find((other) => portName(other) === portName(port));
    if (old === undefined || old.backends.length === 0) {
      if (port.backends.length > 0) await this.#kernel.forgetUDP(port.published);
      return;
    }
    for (const ip of old.backends)
      if (!port.backends.includes(ip)) await this.#kernel.forgetUDP(port.published, ip);
  }

  /** Binds what is wanted and frees what is not. A port that cannot be bound gets no rules. */
  async #holdAll(
    wanted: readonly IngressPort[],
    firewall: string | undefined,
  ): Promise<{ ports: readonly IngressPort[]; problems: readonly PortProblem[] }> {
    const names = new Set(wanted.map(portName));
    for (const [name, release] of this.#held)
      if (!names.has(name)) {
        release();
        this.#held.delete(name);
      }
    const ports: IngressPort[] = [];
    const problems: PortProblem[] = [];
    for (const port of wanted) {
      const why = firewallProblem(port, firewall) ?? (await this.#hold(port));
      if (why === undefined) ports.push(port);
      else problems.push(why);
    }
    return { ports, problems };
  }

  async #hold(port: IngressPort): Promise<PortProblem | undefined> {
    const name = portName(port);
    if (this.#held.has(name)) return undefined;
    try {
      this.#held.set(name, await this.#options.hold(port));
      return undefined;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EADDRNOTAVAIL')
        return problem(
          port,
          'NoSuchAddress',
          `this node has no address ${port.hostIP ?? ''} to publish ${name} on`,
        );
      if (code !== 'EADDRINUSE')
        return problem(port, 'IngressFailed', `binding ${name}: ${messageOf(error)}`);
      const holder = await this.#options.holder(port.protocol, port.published);
      return problem(port, 'PortTaken', `port ${name} of the node is held by ${holder ?? 'another process'}`);
    }
  }

  #tell(problems: readonly PortProblem[]): void {
    if (JSON.stringify(problems) === JSON.stringify(this.#problems)) return;
    this.#problems = problems;
    this.#options.onProblems(problems);
  }
}

/** Those of the tasks that a published port leads to. */
function behind(ports: readonly IngressPort[], serving: IngressInput['serving']): IngressInput['serving'] {
  const services = new Set(ports.map(({ namespace, service }) => `${namespace}/${service}`));
  return serving.filter(({ task: { metadata, spec } }) =>
    services.has(`${metadata.namespace ?? 'default'}/${spec.service}`),
  );
}

function firewallProblem(port: IngressPort, firewall: string | undefined): PortProblem | undefined {
  // `iptables+firewalld` is iptables, too.
  if (firewall === undefined || firewall.startsWith('iptables')) return undefined;
  return problem(
    port,
    'FirewallUnsupported',
    `the engine's firewall backend is ${firewall}; published ports need iptables (daemon.json: "firewall-backend": "iptables")`,
  );
}
