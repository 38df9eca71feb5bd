/** A binary heap: the least by `before` comes first. */
export class Heap<T> {
  readonly #items: T[];
  readonly #before: (a: T, b: T) => boolean;

  constructor(items: readonly T[], before: (a: T, b: T) => boolean) {
    this.#items = [...items];
    this.#before = before;
    for (let i = (this.#items.length >> 1) - 1; i >= 0; i--) this.#down(i);
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  pop(): T | undefined {
    const first = this.#items[0];
    const last = this.#items.pop();
    if (this.#items.length > 0 && last !== undefined) {
      this.#items[0] = last;
      this.#down(0);
    }
    return first;
  }

  /** Puts the first item where it belongs now, after it changed. */
  fixFirst(): void {
    this.#down(0);
  }

  #down(start: number): void {
    const items = this.#items;
    let i = start;
    for (;;) {
      const left = 2 * i + 1;
      let least = i;
      for (const child of [left, left + 1]) {
        const [a, b] = [items[child], items[least]];
        if (a !== undefined && b !== undefined && this.#before(a, b)) least = child;
      }
      if (least === i) return;
      const [a, b] = [items[i], items[least]];
      if (a === undefined || b === undefined) return;
      items[i] = b;
      items[least] = a;
      i = least;
    }
  }
}
