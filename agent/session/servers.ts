import { dirname } from 'node:path';
import { privateDirectory, readIfThere, writeDurably } from '../../kit/files.ts';
import { messageOf } from '../../kit/errors.ts';
import type { Logger } from '../../kit/log.ts';
import { shuffled } from '../../kit/shuffle.ts';

export interface ServersOptions {
  /** `https://host:port` that the agent was started with: a last resort once it has learned others. */
  readonly initial: readonly string[];
  /** Tried before all others: the server on the agent's own machine. */
  readonly prefer?: string | undefined;
  /** Where what was learned is kept; nowhere when absent. */
  readonly file?: string | undefined;
  readonly logger: Logger;
  readonly random: () => number;
}

const isServer = (value: unknown): value is string =>
  typeof value === 'string' && /^https:\/\/[^/]+$/.test(value);

/** The servers of the cluster, as far as the agent knows: what it was started with, and what servers told it. */
export class Servers {
  readonly #options: ServersOptions;
  #learned: readonly string[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  get all(): readonly string[] {
    return [...new Set([...this.#learned, ...this.#options.initial])];
  }

  /** Reads what was learned before. What cannot be read is learned again. */
  async load(): Promise<void> {
    const { file, logger } = this.#options;
    if (file === undefined) return;
    try {
      const text = await readIfThere(file);
      const { servers } = (text === undefined ? {} : JSON.parse(text)) as { servers?: unknown };
      if (Array.isArray(servers)) this.#learned = servers.filter(isServer);
    } catch (error) {
      logger.warn(
        { file, error: messageOf(error) },
        'the known servers cannot be read; those of the start are used',
      );
    }
  }

  /** Takes what a server says of all managers. True when it is news. */
  learn(servers: readonly string[]): boolean {
    const next = [...new Set(servers.filter(isServer))].sort();
    if (next.length === 0 || next.join() === this.#learned.join()) return false;
    this.#learned = next;
    this.#save(next);
    return true;
  }

  /** What was learned is on disk, or could not be written. */
  saved(): Promise<void> {
    return this.#writing;
  }

  /** All servers in an order to try them in, at random; `last`, which was just lost, at the end. */
  round(last?: string): readonly string[] {
    const { prefer, initial, random } = this.#options;
    const others = [this.#learned, initial.filter((one) => !this.#learned.includes(one))].flatMap((group) =>
      shuffled(group, random).filter((one) => one !== prefer && one !== last),
    );
    const first = prefer === undefined || prefer === last ? [] : [prefer];
    return [...first, ...others, ...(last === undefined ? [] : [last])];
  }

  #save(servers: readonly string[]): void {
    const { file, logger } = this.#options;
    if (file === undefined) return;
    this.#writing = this.#writing
      .then(() => privateDirectory(dirname(file)))
      .then(() => writeDurably(file, `${JSON.stringify({ servers }, undefined, 2)}\n`, 0o600))
      .catch((error: unknown) =>
        logger.warn({ file, error: messageOf(error) }, 'the known servers cannot be written'),
      );
  }
}
