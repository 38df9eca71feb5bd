import { backoffMs } from '../kit/backoff.ts';
import { sleep, type Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import type { ContainerExit, ContainerState, EngineInfo, Runtime } from './runtime/types.ts';

export interface EngineWatcherOptions {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The engine answers: what it is, and all containers it has. Called again after each loss. */
  readonly onUp: (info: EngineInfo, containers: readonly ContainerState[]) => void;
  readonly onDown: (message: string) => void;
  readonly onWake: (taskUID: string | undefined, exit?: ContainerExit) => void;
  readonly onList: (containers: readonly ContainerState[]) => void;
  /** How often everything is listed though no event asked for it; 0: never. */
  readonly resyncMs: number;
}

const retry = { baseMs: 50, maxMs: 2_000 };

/** Follows the engine of the node: its events while it answers, its return while it does not. */
export class EngineWatcher {
  readonly #options: EngineWatcherOptions;
  readonly #abort = new AbortController();
  readonly #loop: Promise<void>;
  /** Ends the present connection. */
  #lose: ((error: Error) => void) | undefined;

  constructor(options: EngineWatcherOptions) {
    this.#options = options;
    this.#loop = this.#run();
  }

  /** Someone else saw that the engine does not answer. */
  lost(error: Error): void {
    this.#lose?.(error);
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error('the agent ends'));
    this.#lose?.(new Error('the agent ends'));
    await this.#loop;
  }

  async #run(): Promise<void> {
    const { clock, logger, onDown } = this.#options;
    const { signal } = this.#abort;
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#connected(() => (failures = 0));
      } catch (error) {
        if (signal.aborted) return;
        if (failures === 0) logger.warn({ err: messageOf(error) }, 'the engine does not answer');
        onDown(messageOf(error));
        await sleep(clock, backoffMs(++failures, retry), signal).catch(() => undefined);
      }
    }
  }

  /** From the engine's first answer until it is lost, which is thrown. */
  async #connected(onReached: () => void): Promise<void> {
    const { runtime, onUp, onWake } = this.#options;
    const info = await runtime.info();
    const lost = new Promise<never>((_, reject) => (this.#lose = reject));
    lost.catch(() => undefined);
    // Closed while the engine was asked: nobody could lose it yet.
    this.#abort.signal.throwIfAborted();
    // Events first, so that nothing falls between the list and them.
    const unwatch = await runtime.watch(
      (uid, exit) => (uid === undefined ? void this.#list() : onWake(uid, exit)),
      (error) => this.#lose?.(error),
    );
    let cancel: () => void = () => undefined;
    try {
      onUp(info, await runtime.list());
      onReached();
      cancel = this.#resync();
      await lost;
    } finally {
      this.#lose = undefined;
      cancel();
      unwatch();
    }
  }

  #resync(): () => void {
    const { clock, resyncMs } = this.#options;
    if (resyncMs === 0) return () => undefined;
    let over = false;
    let cancel: () => void = () => undefined;
    const next = (): void => {
      if (!over) cancel = clock.after(resyncMs, () => void this.#list().finally(next));
    };
    next();
    return () => {
      over = true;
      cancel();
    };
  }

  async #list(): Promise<void> {
    try {
      this.#options.onList(await this.#options.runtime.list());
    } catch (error) {
      this.#lose?.(error as Error);
    }
  }
}
