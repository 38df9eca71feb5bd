/** Values in the order of their keys. Reading it is free until the next change; a change costs a binary search. */
export class SortedList<T> {
  readonly #keys: string[] = [];
  readonly #values: T[] = [];
  #snapshot: readonly T[] | undefined;

  get size(): number {
    return this.#keys.length;
  }

  /** Adds or replaces. */
  set(key: string, value: T): void {
    this.#snapshot = undefined;
    const last = this.#keys.at(-1);
    if (last === undefined || last < key) {
      this.#keys.push(key);
      this.#values.push(value);
      return;
    }
    const at = this.#position(key);
    if (this.#keys[at] === key) {
      this.#values[at] = value;
      return;
    }
    this.#keys.splice(at, 0, key);
    this.#values.splice(at, 0, value);
  }

  delete(key: string): void {
    const at = this.#position(key);
    if (this.#keys[at] !== key) return;
    this.#snapshot = undefined;
    this.#keys.splice(at, 1);
    this.#values.splice(at, 1);
  }

  /** A copy that later changes do not touch; the same array until then. */
  values(): readonly T[] {
    this.#snapshot ??= Object.freeze(this.#values.slice());
    return this.#snapshot;
  }

  /** Index of the first key not below `key`. */
  #position(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
