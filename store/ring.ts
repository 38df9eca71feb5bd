import type { Change } from './types.ts';

/** All changes of one revision. */
export interface Unit {
  readonly revision: number;
  readonly changes: readonly Change[];
  readonly bytes: number;
}

/** The last changes, so that a watcher that was away can catch up. Forgets the oldest beyond its bounds. */
export class Ring {
  readonly #maxChanges: number;
  readonly #maxBytes: number;
  #units: Unit[] = [];
  /** Index of the oldest unit kept; what is before is dropped now and then. */
  #head = 0;
  #changes = 0;
  #bytes = 0;
  #oldest: number;

  /** `start`: the revision of the snapshot that the ring continues. */
  constructor(start: number, { maxChanges = 20_000, maxBytes = 64 * 1024 * 1024 } = {}) {
    this.#oldest = start;
    this.#maxChanges = maxChanges;
    this.#maxBytes = maxBytes;
  }

  /** Every change after this revision is here. */
  get oldestRevision(): number {
    return this.#oldest;
  }

  push(unit: Unit): void {
    this.#units.push(unit);
    this.#changes += unit.changes.length;
    this.#bytes += unit.bytes;
    while (this.#changes > this.#maxChanges || this.#bytes > this.#maxBytes) this.#drop();
    if (this.#head > 1024 && this.#head > this.#units.length / 2) {
      this.#units = this.#units.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Units after `from`, which must not be below `oldestRevision`. */
  after(from: number): readonly Unit[] {
    let low = this.#head;
    let high = this.#units.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#units[middle] as Unit).revision <= from) low = middle + 1;
      else high = middle;
    }
    return this.#units.slice(low);
  }

  #drop(): void {
    const unit = this.#units[this.#head] as Unit;
    this.#units[this.#head] = { revision: unit.revision, changes: [], bytes: 0 };
    this.#head++;
    this.#changes -= unit.changes.length;
    this.#bytes -= unit.bytes;
    this.#oldest = unit.revision;
  }
}
