import { messageOf } from '../../kit/errors.ts';

/** An address that cannot be listened on, and why. */
export interface ListenProblem {
  readonly address: string;
  readonly message: string;
}

/** Starts to listen on an address; the result ends it. */
export type Serve = (address: string) => Promise<() => Promise<void>>;

/** The addresses listened on: a set that changes, each change after the one before. */
export class Listeners {
  readonly #serve: Serve;
  readonly #open = new Map<string, () => Promise<void>>();
  #problems: readonly ListenProblem[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(serve: Serve) {
    this.#serve = serve;
  }

  /** Resolves when exactly these are listened on, but for those that it returns. Never throws. */
  set(addresses: readonly string[]): Promise<readonly ListenProblem[]> {
    const done = this.#last.then(() => this.#converge(new Set(addresses)));
    this.#last = done;
    return done;
  }

  problems(): readonly ListenProblem[] {
    return this.#problems;
  }

  async #converge(wanted: ReadonlySet<string>): Promise<readonly ListenProblem[]> {
    for (const [address, close] of this.#open)
      if (!wanted.has(address)) {
        this.#open.delete(address);
        await close();
      }
    const problems: ListenProblem[] = [];
    for (const address of wanted) {
      if (this.#open.has(address)) continue;
      try {
        this.#open.set(address, await this.#serve(address));
      } catch (error) {
        problems.push({ address, message: explain(address, error) });
      }
    }
    return (this.#problems = problems);
  }
}

function explain(address: string, error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return `something else listens on port 53 of all addresses or of ${address}; bind it to its own addresses only (dnsmasq: bind-interfaces; named: listen-on; unbound: interface)`;
    case 'EADDRNOTAVAIL':
      return `this node does not have the address ${address} yet`;
    case 'EACCES':
      return `port 53 of ${address} is refused to this process; it needs CAP_NET_BIND_SERVICE`;
    default:
      return `listening on ${address}: ${messageOf(error)}`;
  }
}
