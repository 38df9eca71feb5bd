/** Keeps the rules of IPv6 in the kernel. */
import type { Clock } from '../../../kit/clock.ts';
import { messageOf } from '../../../kit/errors.ts';
import type { Logger } from '../../../kit/log.ts';
import type { Run } from '../commands.ts';
import { LoadedTables } from '../nft.ts';
import { rules6, tableOf, type Network6 } from './rules.ts';

export interface IPv6RulesOptions {
  readonly run: Run;
  /** Four hexadecimal digits that other agents of this machine do not have. */
  readonly tag: string;
  /** Those that this node is in: that it has a bridge of, or only answers published ports of. */
  readonly networks: () => readonly Network6[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often the kernel is compared with what should be there. */
const verifyMs = 5_000;

export class IPv6Rules {
  readonly #options: IPv6RulesOptions;
  readonly #rules: LoadedTables;
  #isForwarding = false;
  #problem: string | undefined;
  #last: Promise<void> = Promise.resolve();
  #cancel = (): void => undefined;
  #isClosed = false;

  constructor(options: IPv6RulesOptions) {
    this.#options = options;
    const { run, tag } = options;
    this.#rules = new LoadedTables({
      ...{ run, tables: () => [tableOf(tag)], doing: 'the rules of IPv6', isOptional: true },
    });
  }

  /** Why networks would not be kept apart; undefined when they are. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Resolves when the rules of what is wanted as of this call are there, or `problem` says why not. Never throws. */
  sync(verify = false): Promise<void> {
    if (this.#isClosed) return this.#last;
    return (this.#last = this.#last.then(() => this.#converge(verify)));
  }

  /** The rules stay, as their networks do; with `teardown` they go. */
  async close(teardown = false): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await this.#last;
    if (teardown) await this.#rules.remove().catch(() => undefined);
  }

  async #converge(verify: boolean): Promise<void> {
    const { tag, networks, clock, logger } = this.#options;
    this.#cancel();
    const all = networks();
    try {
      if (all.length > 0) {
        await this.#forward();
        await this.#rules.load(rules6(tag, all), verify);
      } else await this.#rules.remove();
      this.#problem = undefined;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem)
        logger.warn({ err: problem }, 'the rules that keep networks apart by IPv6 cannot be loaded');
      this.#problem = problem;
    }
    if (all.length > 0 && !this.#isClosed) this.#cancel = clock.after(verifyMs, () => void this.sync(true));
  }

  /** An engine does so with its first network with IPv6; a node that only answers published ports has none. */
  async #forward(): Promise<void> {
    if (this.#isForwarding) return;
    const { code, stderr } = await this.#options.run(['tee', '/proc/sys/net/ipv6/conf/all/forwarding'], '1');
    if (code !== 0) throw new Error(`turning on the forwarding of IPv6: ${stderr.trim()}`);
    this.#isForwarding = true;
  }
}
