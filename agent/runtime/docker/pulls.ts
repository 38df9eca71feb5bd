export type Progress = (message: string, warning?: boolean) => void;

/** Does one pull: says how far it is, and ends when the signal says so. */
export type Begin = (say: (message: string) => void, signal: AbortSignal) => Promise<void>;

/** The pulls under way: who wants what is being pulled waits for that pull, and does not begin another. */
export class Pulls {
  readonly #underWay = new Map<string, Pull>();

  /** Joins the pull of that key, or begins it. One that was given up, and may take a while to end, is not joined. */
  async join(key: string, begin: Begin, signal: AbortSignal, onProgress: Progress): Promise<void> {
    let pull = this.#underWay.get(key);
    if (pull === undefined) {
      const own = new Pull(() => this.#underWay.get(key) === own && this.#underWay.delete(key));
      this.#underWay.set(key, own);
      pull = own;
    }
    await pull.join(begin, signal, onProgress);
  }
}

/** Ended early only when nobody waits for it any more. */
class Pull {
  readonly #abort = new AbortController();
  readonly #listeners = new Set<Progress>();
  readonly #onEnd: () => void;
  #result: Promise<void> | undefined;
  #said: string | undefined;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  async join(begin: Begin, signal: AbortSignal, onProgress: Progress): Promise<void> {
    this.#listeners.add(onProgress);
    if (this.#said !== undefined) onProgress(this.#said);
    this.#result ??= this.#run(begin);
    try {
      await Promise.race([this.#result, aborted(signal)]);
    } finally {
      this.#listeners.delete(onProgress);
      if (this.#listeners.size === 0) {
        this.#onEnd();
        this.#abort.abort();
      }
    }
  }

  #run(begin: Begin): Promise<void> {
    const say = (message: string): void => {
      this.#said = message;
      for (const listener of this.#listeners) listener(message);
    };
    const result = begin(say, this.#abort.signal).finally(this.#onEnd);
    // Nobody may be there any more to hear how it ended.
    result.catch(() => undefined);
    return result;
  }
}

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason as Error);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
