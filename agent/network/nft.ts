/** Tables of nftables that are orc's own, loaded as one text. */
import type { CommandResult, Run } from './commands.ts';

/** Text for `nft -f -` that removes tables (`ip orc`, each with its family), also those that are not there. Pure. */
export const without = (...tables: readonly string[]): string =>
  tables.map((table) => `table ${table}\ndelete table ${table}\n`).join('');

/** Throws with what a command said of what it was to do; `packages` are what to install when it is missing. */
export function check({ code, stderr }: CommandResult, doing: string, packages = 'nftables'): void {
  if (code === 127) throw new Error(`${doing}: a command is missing (${stderr}); install ${packages}`);
  if (code !== 0) throw new Error(`${doing}: ${stderr.trim().split('\n').slice(0, 4).join(' ')}`);
}

export interface LoadedTablesOptions {
  readonly run: Run;
  /** With their families, as of now. */
  readonly tables: () => readonly string[];
  /** What is loaded, for messages: `loading the rules of …`. */
  readonly doing: string;
  readonly packages?: string;
  /** Kernels may lack the family, and so the tables of earlier runs, too. Default false. */
  readonly isOptional?: boolean;
}

/** What was loaded last, and how the kernel printed it then: so that it is known when somebody has changed it. */
export class LoadedTables {
  readonly #options: LoadedTablesOptions;
  /** Undefined: not known; with an empty text: there are none. */
  #loaded: { readonly text: string; readonly listed: string } | undefined;

  constructor(options: LoadedTablesOptions) {
    this.#options = options;
  }

  /** Loads the rules when they are others than those loaded last, or, with `verify`, than those the kernel has. */
  async load(text: string, verify: boolean): Promise<void> {
    const isSame = this.#loaded?.text === text && (!verify || (await this.#list()) === this.#loaded.listed);
    if (isSame) return;
    await this.#run(text);
    this.#loaded = { text, listed: await this.#list() };
  }

  /** Removes the tables, unless it is known that there are none. */
  async remove(): Promise<void> {
    if (this.#loaded?.text === '') return;
    const { tables, isOptional = false } = this.#options;
    const mayFail = isOptional && this.#loaded === undefined;
    await this.#run(without(...tables())).catch((error: unknown) => {
      if (!mayFail) throw error;
    });
    this.#loaded = { text: '', listed: '' };
  }

  async #run(text: string): Promise<void> {
    const { run, doing, packages } = this.#options;
    this.#loaded = undefined;
    check(await run(['nft', '-f', '-'], text), doing, packages);
  }

  /** As the kernel prints them; empty when one is not there. */
  async #list(): Promise<string> {
    const { run, tables } = this.#options;
    const lists = await Promise.all(
      tables().map((table) => run(['nft', '-s', 'list', 'table', ...table.split(' ')])),
    );
    return lists.every(({ code }) => code === 0) ? lists.map(({ stdout }) => stdout).join('') : '';
  }
}
