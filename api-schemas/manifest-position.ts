import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type Node, type Pair, visit } from 'yaml';

/** A place in a text, both from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

const startOf = (node: unknown): number | undefined => (node as Node | null | undefined)?.range?.[0];

const keyText = (pair: Pair): string => (isScalar(pair.key) ? String(pair.key.value) : String(pair.key));

/** The pair of a map with that key; what a `<<` merge brings is not found. */
function pairOf(items: readonly unknown[], key: string): Pair | undefined {
  return items.filter(isPair).find((pair) => keyText(pair) === key);
}

/**
 * The offset of a field in a document. `value` wants the value where that is a scalar, and the key of a
 * collection; `key` always wants the key. A field that is not there is where its nearest parent is.
 */
export function locateIn(
  document: Document.Parsed,
  segments: readonly (string | number)[],
  side: 'key' | 'value',
): number {
  let node: unknown = document.contents;
  let place = startOf(node) ?? document.range[0];
  for (const [index, segment] of segments.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = pairOf(node.items, String(segment));
      if (pair === undefined) return place;
      const key = startOf(pair.key) ?? place;
      const last = index === segments.length - 1;
      const scalar = isScalar(pair.value) ? startOf(pair.value) : undefined;
      // An empty value has its range behind the colon, where there is nothing to see.
      const visible = isScalar(pair.value) && pair.value.source !== '' && pair.value.value !== null;
      place = last && side === 'value' && visible ? (scalar ?? key) : key;
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(segment)];
      if (item === undefined) return place;
      place = startOf(item) ?? place;
      node = item;
    } else return place;
  }
  return place;
}

/** Keys that a map has twice, with where the later one is. Takes time by the number of keys. */
export function duplicateKeys(document: Document.Parsed): readonly { offset: number; key: string }[] {
  const found: { offset: number; key: string }[] = [];
  visit(document, {
    Map(_, map) {
      const seen = new Set<string>();
      for (const pair of map.items) {
        const key = keyText(pair);
        if (seen.has(key) && key !== '<<') found.push({ offset: startOf(pair.key) ?? 0, key });
        seen.add(key);
      }
    },
  });
  return found;
}
