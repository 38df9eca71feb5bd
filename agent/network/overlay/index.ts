/** The overlay room: keeps this node's tunnels, with their entries, what the objects in the store say. */
import type { Clock } from '../../../kit/clock.ts';
import { messageOf } from '../../../kit/errors.ts';
import type { Logger } from '../../../kit/log.ts';
import type { Run } from '../commands.ts';
import type { LoadedTables } from '../nft.ts';
import { differencesOf } from './differences.ts';
import { guardOf, guardRules } from './guard.ts';
import { change, readKernel } from './kernel.ts';
import { applied } from './model.ts';
import { plan } from './plan.ts';
import type { Kernel, OverlayNetwork } from './types.ts';
import { wantedKernel } from './wanted.ts';

export type { OverlayNetwork, OverlayPeer } from './types.ts';
export { macOf, vxlanPort } from './wanted.ts';

export interface OverlayOptions {
  readonly run: Run;
  /** This node's end of all tunnels; undefined while it is not known. */
  readonly local: () => string | undefined;
  /** Four hexadecimal digits that other agents of this machine do not have. */
  readonly tag: string;
  readonly networks: () => readonly OverlayNetwork[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often the kernel is compared with what should be there. */
const verifyMs = 5_000;
const againMs = 1_000;

export class Overlay {
  readonly #options: OverlayOptions;
  readonly #guard: LoadedTables;
  /** As it was left; undefined: it must be read. */
  #kernel: Kernel | undefined;
  #last: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #cancel = (): void => undefined;
  #isClosed = false;
  #problem: string | undefined;

  constructor(options: OverlayOptions) {
    this.#options = options;
    this.#guard = guardOf(options.run, options.tag);
  }

  /** Why the kernel does not have what is wanted; undefined when it has. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Resolves when the kernel has what is wanted as of this call, or `problem` says why not. Never throws. */
  sync(): Promise<void> {
    if (this.#isClosed) return this.#last;
    this.#next ??= this.#last.then(() => {
      this.#next = undefined;
      return this.#converge();
    });
    return (this.#last = this.#next);
  }

  /** The kernel may be another by now: a bridge was made or removed. */
  again(): Promise<void> {
    this.#kernel = undefined;
    return this.sync();
  }

  /** What the kernel does not have as it is wanted, as of now, in words; changes nothing. Never throws. */
  async differences(): Promise<readonly string[]> {
    const { run, tag, networks, local } = this.#options;
    await this.#last;
    try {
      const wanted = wantedKernel(networks(), local() ?? '', tag);
      const found = await readKernel(run, tag, wanted.bridges.keys(), hasIPv6(networks()));
      return differencesOf(plan(wanted, found));
    } catch (error) {
      return [`they cannot be read: ${messageOf(error)}`];
    }
  }

  /** The tunnels stay, and go on without this process; with `teardown` they go. */
  async close(teardown = false): Promise<void> {
    this.#isClosed = true;
    this.#cancel();
    await this.#last;
    if (!teardown) return;
    const { run, tag } = this.#options;
    const none: Kernel = { tunnels: new Map(), bridges: new Map(), neighbours: new Map(), routes: new Map() };
    await change(run, plan(none, await readKernel(run, tag, [])));
    await this.#guard.remove();
  }

  async #converge(): Promise<void> {
    const { run, tag, networks, local, logger, clock } = this.#options;
    this.#cancel();
    const all = networks();
    const own = local();
    let waitMs = verifyMs;
    try {
      if (own === undefined && all.some(({ inner }) => inner === undefined))
        throw new Error('the address of this node is not known yet');
      const wanted = wantedKernel(all, own ?? '', tag);
      const isMissing = [...wanted.bridges.keys()].some(
        (bridge) => this.#kernel?.bridges.has(bridge) !== true,
      );
      const found =
        this.#kernel !== undefined && !isMissing
          ? this.#kernel
          : await readKernel(run, tag, wanted.bridges.keys(), hasIPv6(all));
      const ops = plan(wanted, found);
      const isRead = found !== this.#kernel;
      this.#kernel = undefined;
      const isNeeded = all.length > 0;
      if (isNeeded) await this.#guard.load(guardRules(tag), isRead);
      await change(run, ops);
      if (!isNeeded) await this.#guard.remove();
      this.#kernel = applied(found, ops);
      if (ops.length > 0) logger.debug({ changes: ops.length }, 'the tunnels of networks were changed');
      this.#problem = undefined;
    } catch (error) {
      waitMs = againMs;
      const problem = messageOf(error);
      if (problem !== this.#problem)
        logger.warn({ err: problem }, 'the tunnels of networks are not as they should be');
      this.#problem = problem;
    }
    if (all.length > 0 && !this.#isClosed) this.#cancel = clock.after(waitMs, () => void this.again());
  }
}

const hasIPv6 = (networks: readonly OverlayNetwork[]): boolean =>
  networks.some(({ subnet6 }) => subnet6 !== undefined);
