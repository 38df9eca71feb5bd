/**
 * The firewall room: the host's own firewall is to let pass what networks need. Containers may ask for names, whatever
 * iptables (and with it ufw) drops otherwise: orc adds a rule where it is needed, brings it back when it is flushed, and
 * takes it away when it is not needed any more. What orc does not open by itself it says: ports between machines are the
 * administrator's.
 */

import type { Clock } from '../../../kit/clock.ts';
import { messageOf } from '../../../kit/errors.ts';
import type { Logger } from '../../../kit/log.ts';
import type { CommandResult, Run } from '../commands.ts';
import { changes, problems, type FirewallProblem, type FoundTable, type Wanted } from './plan.ts';
import { inputTables } from './tables.ts';

export { wantedOf } from './plan.ts';

export interface FirewallOptions {
  readonly run: Run;
  /** As of now; undefined while it is not known: then what is there stays. */
  readonly wanted: () => Wanted | undefined;
  readonly onProblems: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A firewall that was loaded anew has ours back in this time. */
const everyMs = 5_000;
/** What is only said is looked at less often: the tables of others may be large. */
const tablesEvery = 6;
const nothing: Wanted = { tunnels: { local: '', peers: [] } };

export class Firewall {
  readonly #options: FirewallOptions;
  #tables: readonly FoundTable[] = [];
  #round = 0;
  /** Rules of ours may be there, also of an earlier run. */
  #mayHave = true;
  #problems: readonly FirewallProblem[] = [];
  #cancel: () => void = () => undefined;
  #isClosed = false;
  #last: Promise<void>;

  constructor(options: FirewallOptions) {
    this.#options = options;
    this.#last = this.#loop();
  }

  problems(): readonly FirewallProblem[] {
    return this.#problems;
  }

  /** The rules stay; with `teardown` they go. */
  async close(teardown = false): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await this.#last;
    if (teardown) await this.#change(nothing, await this.#save()).catch(() => undefined);
  }

  async #loop(): Promise<void> {
    const { clock, logger } = this.#options;
    try {
      await this.#look();
    } catch (error) {
      logger.debug({ err: messageOf(error) }, 'the firewall of this node could not be looked at');
    }
    if (!this.#isClosed)
      this.#cancel = clock.after(everyMs, () => {
        this.#last = this.#loop();
      });
  }

  async #look(): Promise<void> {
    const wanted = this.#options.wanted();
    if (wanted === undefined) return;
    const isIdle = wanted.names === undefined && wanted.tunnels.peers.length === 0;
    if (isIdle && !this.#mayHave) return this.#tell([]);
    const saved = await this.#save();
    await this.#change(wanted, saved);
    this.#mayHave = !isIdle;
    if (isIdle) return this.#tell([]);
    const isDue = this.#round++ % tablesEvery === 0;
    // Nothing is said of tables as they were: a bridge that was just made is let in after the last look.
    if (isDue || problems(wanted, { saved, tables: this.#tables }).length > 0)
      this.#tables = await this.#readTables();
    this.#tell(problems(wanted, { saved, tables: this.#tables }));
  }

  async #save(): Promise<string> {
    const { code, stdout } = await this.#options.run(['iptables-save', '-t', 'filter']);
    return code === 0 ? stdout : '';
  }

  async #change(wanted: Wanted, saved: string): Promise<void> {
    const text = changes(wanted, { saved });
    if (text === undefined) return;
    check(await this.#options.run(['iptables-restore', '-w', '5', '--noflush'], text));
    this.#options.logger.info(
      text.includes('\n-I ')
        ? 'the firewall of this node dropped what containers ask for names: a rule lets it pass'
        : 'the firewall of this node lets containers ask for names by itself: the rule of orc is gone',
    );
  }

  async #readTables(): Promise<readonly FoundTable[]> {
    const { run } = this.#options;
    const { code, stdout } = await run(['nft', '-j', 'list', 'chains']);
    if (code !== 0) return [];
    const found = inputTables(stdout).map(async (one) => {
      const { code: failed, stdout: json } = await run(['nft', '-j', 'list', 'table', one.family, one.table]);
      return failed === 0 ? [{ ...one, json }] : [];
    });
    return (await Promise.all(found)).flat();
  }

  #tell(next: readonly FirewallProblem[]): void {
    if (JSON.stringify(next) === JSON.stringify(this.#problems)) return;
    const known = new Set(this.#problems.map(({ message }) => message));
    this.#problems = next;
    for (const { message } of next) if (!known.has(message)) this.#options.logger.warn(message);
    if (!this.#isClosed) this.#options.onProblems();
  }
}

function check({ code, stderr }: CommandResult): void {
  if (code !== 0) throw new Error(`iptables-restore: ${stderr.trim().slice(0, 300)}`);
}
