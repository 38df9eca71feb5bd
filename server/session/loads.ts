interface Waiting {
  /** The frame that is to be loaded; undefined while some of what is waited for has not been sent. */
  need: number | undefined;
  readonly answer: (isLoaded: boolean) => void;
}

/** How far a node has loaded the Endpoints that it was sent. */
export class Loads {
  /** Number of the last frame that changed Endpoints. */
  #sent = 0;
  #loaded = 0;
  #isClosed = false;
  readonly #waiting = new Set<Waiting>();

  sent(seq: number): void {
    this.#sent = seq;
  }

  /** Nothing that is known so far is still to be sent. */
  allSent(): void {
    for (const one of this.#waiting) one.need ??= this.#sent;
    this.#settle();
  }

  /** What the agent says. */
  loaded(seq: number): void {
    // No further than it can be.
    this.#loaded = Math.max(this.#loaded, Math.min(seq, this.#sent));
    this.#settle();
  }

  /**
   * True when all is loaded that is known as of this call, which later changes do not hold up; false when `signal` is
   * aborted before, or nothing more will be said. `isAllSent`: nothing of that is still to be sent.
   */
  all(isAllSent: boolean, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted || this.#isClosed) return Promise.resolve(false);
    if (isAllSent && this.#loaded >= this.#sent) return Promise.resolve(true);
    return new Promise((resolve) => {
      const giveUp = (): void => one.answer(false);
      const one: Waiting = {
        need: isAllSent ? this.#sent : undefined,
        answer: (isLoaded) => {
          this.#waiting.delete(one);
          signal.removeEventListener('abort', giveUp);
          resolve(isLoaded);
        },
      };
      this.#waiting.add(one);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }

  /** The session ended. */
  close(): void {
    this.#isClosed = true;
    for (const one of this.#waiting) one.answer(false);
  }

  #settle(): void {
    for (const one of this.#waiting) {
      if (one.need !== undefined && this.#loaded >= one.need) one.answer(true);
    }
  }
}
