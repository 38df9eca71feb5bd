/** Counts the queries in work, of all askers and of each, so that one container cannot take every place. */
export class Places {
  readonly #most: number;
  readonly #mostEach: number;
  readonly #taken = new Map<string, number>();
  #all = 0;

  constructor(most: number, mostEach: number) {
    this.#most = most;
    this.#mostEach = mostEach;
  }

  /** Takes a place, to be given back once; undefined when there is none. */
  take(asker: string): (() => void) | undefined {
    const taken = this.#taken.get(asker) ?? 0;
    if (this.#all >= this.#most || taken >= this.#mostEach) return undefined;
    this.#all++;
    this.#taken.set(asker, taken + 1);
    return () => {
      this.#all--;
      const left = (this.#taken.get(asker) ?? 1) - 1;
      if (left > 0) this.#taken.set(asker, left);
      else this.#taken.delete(asker);
    };
  }
}
