/**
 * The names of the cluster: one DNS server for a node, on the gateway address of each of its networks.
 *
 * Who asks is known by the source address. A container sees the names on its own networks, and everything else as the
 * host does; a stranger is refused. Its answers wait until the rules that make virtual IPs work for it are loaded.
 */
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { Handler, type Result } from './handler.ts';
import { Listeners, type ListenProblem } from './listeners.ts';
import type { DnsInput } from './names.ts';
import { Places } from './places.ts';
import { hostResolvers } from './resolv-conf.ts';
import { serveTCP, tcpLimits, type TCPLimits } from './tcp.ts';
import { serveUDP } from './udp.ts';
import { viewOf, type View } from './view.ts';

export { domain, searchDomain } from './names.ts';
export type { DnsAddress, DnsContainer, DnsEndpoint, DnsInput, DnsNetwork, DnsService } from './names.ts';
export type { ListenProblem } from './listeners.ts';
export { results, type Result } from './handler.ts';

export interface DnsOptions {
  /** As `HandlerOptions.ready`. */
  readonly ready: (source: string) => Promise<void>;
  /** As `HandlerOptions.probe`. */
  readonly probe?: (message: Buffer, source: string) => Buffer | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when the addresses that cannot be listened on become others. */
  readonly onProblems?: (problems: readonly ListenProblem[]) => void;
  /** Addresses of the resolvers for all other names; default: those of /etc/resolv.conf. */
  readonly resolvers?: () => Promise<readonly string[]>;
  readonly port?: number;
  readonly upstreamPort?: number;
  readonly upstreamBudgetMs?: number;
  readonly holdMs?: number;
  readonly mostQueries?: number;
  readonly mostQueriesEach?: number;
  readonly tcp?: Partial<TCPLimits>;
}

/** How often an address that could not be listened on is tried again: its bridge may just be in the making. */
const retryMs = 1_000;

export class DnsServer {
  readonly #options: DnsOptions;
  readonly #handler: Handler;
  readonly #listeners: Listeners;
  #view: View = viewOf({ networks: [], containers: [], services: [] });
  #addresses: readonly string[] = [];
  #told = '[]';
  #cancel: (() => void) | undefined;

  constructor(options: DnsOptions) {
    this.#options = options;
    const { clock, port = 53, resolvers = hostResolvers(clock) } = options;
    this.#handler = new Handler({
      ...options,
      view: () => this.#view,
      upstream: {
        resolvers,
        own: () => new Set(this.#addresses),
        clock,
        ...(options.upstreamPort === undefined ? {} : { port: options.upstreamPort }),
        ...(options.upstreamBudgetMs === undefined ? {} : { budgetMs: options.upstreamBudgetMs }),
      },
    });
    const limits = { ...tcpLimits, ...options.tcp };
    const places = new Places(limits.mostConnections, limits.mostConnectionsEach);
    this.#listeners = new Listeners(async (address) => {
      const closeUDP = await serveUDP(address, port, this.#handler);
      try {
        const closeTCP = await serveTCP(address, port, this.#handler, places, limits);
        return async () => void (await Promise.all([closeUDP(), closeTCP()]));
      } catch (error) {
        await closeUDP();
        throw error;
      }
    });
  }

  /** From now on answers follow from this. A container must be in it before it starts. */
  update(input: DnsInput): void {
    this.#view = viewOf(input);
  }

  /** Resolves when it listens on exactly these addresses; those that fail are problems, and tried again. */
  async listen(addresses: readonly string[]): Promise<void> {
    this.#addresses = addresses;
    this.#cancel?.();
    const problems = await this.#listeners.set(addresses);
    if (this.#addresses !== addresses) return;
    if (problems.length > 0)
      this.#cancel = this.#options.clock.after(retryMs, () => void this.listen(addresses));
    const told = JSON.stringify(problems);
    if (told === this.#told) return;
    this.#told = told;
    for (const { message } of problems) this.#options.logger.warn({ err: message }, 'names are not served');
    this.#options.onProblems?.(problems);
  }

  problems(): readonly ListenProblem[] {
    return this.#listeners.problems();
  }

  /** Queries by how they ended, since the start. */
  counts(): Readonly<Record<Result, number>> {
    return this.#handler.counts();
  }

  async close(): Promise<void> {
    await this.listen([]);
  }
}
