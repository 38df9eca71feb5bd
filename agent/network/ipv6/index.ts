/** The IPv6 room: whether this node has the IPv6 of networks, and the rules that go with it, which are there before it. */
import type { Clock } from '../../../kit/clock.ts';
import { messageOf } from '../../../kit/errors.ts';
import type { Logger } from '../../../kit/log.ts';
import type { CommandResult, Run } from '../commands.ts';
import { rules6, tableOf, withoutRules, type Network6 } from './rules.ts';

export { ipv6Obstacle, ipv6Usable, lookedAt } from './usable.ts';
export type { Network6 } from './rules.ts';

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
  /** What was loaded, and how the kernel printed it then; undefined: not known. */
  #loaded: { readonly text: string; readonly listed: string } | undefined;
  #isForwarding = false;
  #problem: string | undefined;
  #last: Promise<void> = Promise.resolve();
  #cancel = (): void => undefined;
  #isClosed = false;

  constructor(options: IPv6RulesOptions) {
    this.#options = options;
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
    if (teardown && this.#loaded?.text !== '') await this.#load('').catch(() => undefined);
  }

  async #converge(verify: boolean): Promise<void> {
    const { tag, networks, clock, logger } = this.#options;
    this.#cancel();
    const all = networks();
    try {
      if (all.length > 0) await this.#forward();
      const text = all.length === 0 ? '' : rules6(tag, all);
      const isSame = this.#loaded?.text === text;
      if (!isSame || (verify && text !== '' && (await this.#list()) !== this.#loaded?.listed))
        await this.#load(text);
      this.#problem = undefined;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== this.#problem)
        logger.warn({ err: problem }, 'the rules that keep networks apart by IPv6 cannot be loaded');
      this.#problem = problem;
    }
    if (all.length > 0 && !this.#isClosed) this.#cancel = clock.after(verifyMs, () => void this.sync(true));
  }

  async #load(text: string): Promise<void> {
    const { run, tag } = this.#options;
    const isKnown = this.#loaded !== undefined;
    this.#loaded = undefined;
    const result = await run(['nft', '-f', '-'], text === '' ? withoutRules(tag) : text);
    // A kernel without IPv6 has none of it either.
    if (text !== '' || isKnown) check(result);
    this.#loaded = { text, listed: text === '' ? '' : await this.#list() };
  }

  /** An engine does so with its first network with IPv6; a node that only answers published ports has none. */
  async #forward(): Promise<void> {
    if (this.#isForwarding) return;
    const { code, stderr } = await this.#options.run(['tee', '/proc/sys/net/ipv6/conf/all/forwarding'], '1');
    if (code !== 0) throw new Error(`turning on the forwarding of IPv6: ${stderr.trim()}`);
    this.#isForwarding = true;
  }

  async #list(): Promise<string> {
    const { run, tag } = this.#options;
    return (await run(['nft', '-s', 'list', 'table', 'ip6', tableOf(tag)])).stdout;
  }
}

function check({ code, stderr }: CommandResult): void {
  if (code === 127) throw new Error(`a command is missing (${stderr}); install nftables`);
  if (code !== 0) throw new Error(stderr.trim().split('\n').slice(0, 4).join(' ').slice(0, 300));
}
