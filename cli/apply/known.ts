/** What `apply --watch` has applied, against what the files now say. Pure. */
import type { Item, Loaded } from '../manifest/load.ts';

/** By key, with the text that was applied. */
export type Known = ReadonlyMap<string, KnownItem>;

interface KnownItem {
  readonly item: Item;
  readonly text: string;
}

export interface ItemDiff {
  /** New or changed, in order. */
  readonly news: readonly Item[];
  /** No longer in the files. */
  readonly left: readonly Item[];
  /** What is known once this is applied; what left is still in it. */
  readonly next: Known;
}

/**
 * An object whose file is there but holds nothing has not left: editors empty a file before they write it.
 * `sources` are the files that exist now.
 */
export function diffItems(known: Known, { items, empty }: Loaded, sources: readonly string[]): ItemDiff {
  const next = new Map(known);
  const news: Item[] = [];
  const present = new Set(items.map((item) => item.key));
  for (const item of items) {
    const text = JSON.stringify(item.object);
    if (known.get(item.key)?.text !== text) news.push(item);
    next.set(item.key, { item, text });
  }
  const left = [...known.values()]
    .map(({ item }) => item)
    .filter(
      ({ key, document }) =>
        !present.has(key) && !(empty.includes(document.source) && sources.includes(document.source)),
    );
  return { news, left, next };
}
