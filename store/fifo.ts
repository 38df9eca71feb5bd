/** A queue that takes from its front in constant time, and never holds more than as much again of what was taken. */
export class Fifo<T> {
  #items: T[] = [];
  #first = 0;

  get length(): number {
    return this.#items.length - this.#first;
  }

  /** Items that it keeps from being freed, those taken included. */
  get held(): number {
    return this.#items.length;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  peek(): T | undefined {
    return this.#items[this.#first];
  }

  shift(): T | undefined {
    const item = this.peek();
    if (this.length === 0) return undefined;
    this.#first++;
    if (this.#first * 2 >= this.#items.length) this.#keep(this.#rest());
    return item;
  }

  /** Takes out all for which `isWanted` holds, wherever they are; in order. */
  extract(isWanted: (item: T) => boolean): readonly T[] {
    const rest = this.#rest();
    const wanted = rest.filter(isWanted);
    if (wanted.length > 0) this.#keep(rest.filter((item) => !isWanted(item)));
    return wanted;
  }

  #rest(): T[] {
    return this.#items.slice(this.#first);
  }

  #keep(items: T[]): void {
    this.#items = items;
    this.#first = 0;
  }
}
