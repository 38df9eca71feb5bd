import type { KindName, Obj } from '../api-schemas/index.ts';
import { Indexes } from './indexes.ts';
import type { Ref } from './keys.ts';
import { SortedList } from './sorted.ts';
import type { IndexName } from './types.ts';

/** The objects of one kind: by name, in key order per namespace and over all, and by index. */
class KindTable {
  readonly #objects = new Map<string, Obj>();
  readonly #all = new SortedList<Obj>();
  readonly #namespaces = new Map<string, SortedList<Obj>>();
  readonly #indexes = new Indexes();

  get(key: string): Obj | undefined {
    return this.#objects.get(key);
  }

  list(namespace: string | undefined): readonly Obj[] {
    return (namespace === undefined ? this.#all : this.#namespaces.get(namespace))?.values() ?? [];
  }

  by(index: IndexName, value: string): readonly Obj[] {
    return this.#indexes.get(index, value);
  }

  /** Returns the object that was there. */
  change(namespace: string, key: string, next: Obj | undefined): Obj | undefined {
    const previous = this.#objects.get(key);
    if (previous === undefined && next === undefined) return undefined;
    this.#indexes.change(key, previous, next);
    if (next === undefined) {
      this.#objects.delete(key);
      this.#all.delete(key);
      const list = this.#namespaces.get(namespace);
      list?.delete(key);
      if (list?.size === 0) this.#namespaces.delete(namespace);
      return previous;
    }
    this.#objects.set(key, next);
    this.#all.set(key, next);
    let list = this.#namespaces.get(namespace);
    if (list === undefined) this.#namespaces.set(namespace, (list = new SortedList<Obj>()));
    list.set(key, next);
    return previous;
  }
}

/** All objects of the registry. */
export class Tables {
  readonly #kinds = new Map<KindName, KindTable>();

  get({ kind, namespace, name }: Ref): Obj | undefined {
    return this.#kinds.get(kind)?.get(`${namespace}/${name}`);
  }

  list(kind: KindName, namespace: string | undefined): readonly Obj[] {
    return this.#kinds.get(kind)?.list(namespace) ?? [];
  }

  by(kind: KindName, index: IndexName, value: string): readonly Obj[] {
    return this.#kinds.get(kind)?.by(index, value) ?? [];
  }

  change({ kind, namespace, name }: Ref, next: Obj | undefined): Obj | undefined {
    let table = this.#kinds.get(kind);
    if (table === undefined) this.#kinds.set(kind, (table = new KindTable()));
    return table.change(namespace, `${namespace}/${name}`, next);
  }
}
