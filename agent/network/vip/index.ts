/**
 * Virtual IPs: each container of ours has, in its own network namespace, the rules that lead a service's virtual IP to
 * one of the service's ready tasks. Nothing answers to a virtual IP outside of them.
 */
import { backoffMs } from '../../../kit/backoff.ts';
import type { Clock } from '../../../kit/clock.ts';
import { messageOf } from '../../../kit/errors.ts';
import type { Logger } from '../../../kit/log.ts';
import { Limiter } from '../../tasks/limiter.ts';
import type { Run } from '../commands.ts';
import { ContainerTable } from './container-table.ts';
import type { ContainerProcess } from './namespace.ts';
import type { VirtualIP } from './rules.ts';

export type { ContainerProcess } from './namespace.ts';
export type { VirtualIP } from './rules.ts';

/** How often the kernel is compared with what should be there. */
const verifyMs = 30_000;
/** `nft` waits more than it computes; more at once than this only take turns. */
const atOnce = 8;
const retry = { baseMs: 1_000, maxMs: 30_000 };

export interface VirtualIPsOptions {
  readonly run: Run;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Says why the rules of a container are not as they should be; undefined when they are again. */
  readonly onProblem?: (id: string, message: string | undefined) => void;
}

interface Entry {
  table: ContainerTable | undefined;
  process: ContainerProcess | undefined;
  vips: readonly VirtualIP[];
  hasIPv6: boolean;
  /** Of the pass that has not begun yet, which many changes share. */
  next: Promise<void> | undefined;
  /** Whether that pass asks the kernel what it has. */
  verify: boolean;
  last: Promise<void>;
  failures: number;
  cancel: (() => void) | undefined;
  /** Rules were loaded, now or before. */
  hasRules: boolean;
  readonly ready: Promise<void>;
  readonly setReady: () => void;
}

export class VirtualIPs {
  readonly #options: VirtualIPsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #limiter = new Limiter(atOnce);
  #cancel: (() => void) | undefined;
  #isClosed = false;

  constructor(options: VirtualIPsOptions) {
    this.#options = options;
  }

  /**
   * Makes a running container have exactly these virtual IPs. Resolves when the kernel has what is wanted as of this
   * call, or has refused it. Never throws: what fails is told and tried again. Of a process that is gone nothing is
   * touched. To be called at each start, since a namespace is new then. `gateways`: where the default routes are to lead,
   * when the engine cannot be relied on for that.
   */
  set(
    id: string,
    process: ContainerProcess,
    vips: readonly VirtualIP[],
    {
      gateways = [],
      hasIPv6 = false,
    }: { readonly gateways?: readonly string[]; readonly hasIPv6?: boolean } = {},
  ): Promise<void> {
    let entry = this.#entry(id);
    const isNew = entry.process?.pid !== process.pid || entry.process.startTime !== process.startTime;
    if (isNew && entry.process !== undefined) {
      // Another start: who asks for this one waits for its own rules.
      this.forget(id);
      entry = this.#entry(id);
    }
    if (isNew) {
      const { run, logger } = this.#options;
      entry.process = process;
      entry.table = new ContainerTable({ process, run, gateways, logger: logger.child({ container: id }) });
    }
    entry.vips = vips;
    entry.hasIPv6 = hasIPv6;
    this.#watch();
    return this.#schedule(id, entry, false);
  }

  /** The container goes by rules that are older than what is wanted: they could not be loaded, and are tried again. */
  isBehind(id: string): boolean {
    const entry = this.#entries.get(id);
    return entry !== undefined && entry.hasRules && entry.failures > 0;
  }

  /**
   * Resolves when the first rules of a container are loaded, also when it is not known yet: the engine says that it has
   * started only after it runs. Never rejects; whoever waits sets a limit.
   */
  ready(id: string): Promise<void> {
    return this.#entry(id).ready;
  }

  /**
   * The container has ended, and its rules with it; whoever waits for them is let go. To be called at each end, so that
   * `ready` means the next start from then on.
   */
  forget(id: string): void {
    const entry = this.#entries.get(id);
    entry?.cancel?.();
    entry?.setReady();
    this.#entries.delete(id);
  }

  /** Compares every container with what was loaded, and repairs what was changed by hand. Happens by itself as well. */
  async verify(): Promise<void> {
    // One by one: changes, which do not wait for this, have the machine for themselves.
    for (const [id, entry] of [...this.#entries]) await this.#schedule(id, entry, true);
  }

  /** Containers keep their rules, and go on without this process. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    const entries = [...this.#entries.values()];
    for (const entry of entries) entry.cancel?.();
    await Promise.all(entries.map(({ last }) => last));
  }

  #entry(id: string): Entry {
    const known = this.#entries.get(id);
    if (known !== undefined) return known;
    let setReady = (): void => undefined;
    const ready = new Promise<void>((resolve) => (setReady = resolve));
    const none = { table: undefined, process: undefined, next: undefined, cancel: undefined };
    const entry: Entry = {
      ...none,
      vips: [],
      hasIPv6: false,
      verify: false,
      last: Promise.resolve(),
      failures: 0,
      hasRules: false,
      ready,
      setReady,
    };
    this.#entries.set(id, entry);
    return entry;
  }

  #watch(): void {
    if (this.#cancel !== undefined || this.#isClosed) return;
    this.#cancel = this.#options.clock.after(verifyMs, () => {
      this.#cancel = undefined;
      void this.verify().then(() => this.#watch());
    });
  }

  /** A pass begins when the one before has ended, and takes what is wanted by then. */
  #schedule(id: string, entry: Entry, verify: boolean): Promise<void> {
    if (this.#isClosed) return entry.last;
    entry.verify ||= verify;
    entry.next ??= entry.last.then(() =>
      this.#limiter.run(() => {
        const isAsked = entry.verify;
        entry.verify = false;
        entry.next = undefined;
        return this.#converge(id, entry, isAsked);
      }),
    );
    return (entry.last = entry.next);
  }

  async #converge(id: string, entry: Entry, verify: boolean): Promise<void> {
    const { clock, logger, onProblem } = this.#options;
    entry.cancel?.();
    entry.cancel = undefined;
    if (entry.table === undefined || this.#entries.get(id) !== entry) return;
    try {
      const onLoaded = (): void => {
        entry.hasRules = true;
        entry.setReady();
      };
      const { hasIPv6 } = entry;
      const outcome = await entry.table.converge(entry.vips, { verify, hasIPv6, onLoaded });
      if (outcome === 'repaired')
        logger.warn({ container: id }, 'virtual IPs were changed by hand, and are repaired');
      if (entry.failures > 0) onProblem?.(id, undefined);
      entry.failures = 0;
    } catch (error) {
      entry.failures++;
      logger.warn({ container: id, err: messageOf(error) }, 'virtual IPs cannot be loaded');
      onProblem?.(id, messageOf(error));
      if (this.#isClosed) return;
      entry.cancel = clock.after(
        backoffMs(entry.failures, retry),
        () => void this.#schedule(id, entry, false),
      );
    }
  }
}
