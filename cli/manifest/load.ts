/** From texts to objects that are ready to be applied: parsed, checked, in a namespace, in order. */
import {
  parseManifest,
  type KindName,
  type ManifestDocument,
  type Obj,
  type Problem,
} from '../../api-schemas/index.ts';
import { label, resolveKind, type KindDef } from '../kinds.ts';
import type { Source } from './sources.ts';

export interface Item {
  readonly def: KindDef;
  /** With its namespace. */
  readonly object: Obj;
  readonly document: ManifestDocument;
  /** `stack/hello`, or `stack/hello in shop` outside of the namespace asked for. */
  readonly label: string;
  /** Tells objects apart. */
  readonly key: string;
}

export interface Loaded {
  /** In the order in which they can be made: what others need comes first. */
  readonly items: readonly Item[];
  readonly problems: readonly Problem[];
  /** Sources without any document. */
  readonly empty: readonly string[];
}

/** What is made before what; kinds that are not named come last but before these at the end. */
const first: readonly KindName[] = [
  'Namespace',
  'Node',
  'Network',
  'Revision',
  'Endpoints',
  'Service',
  'Stack',
];

/** `namespace`: where objects go that name none. `fixed`: objects that name another one are refused. */
export function load(sources: readonly Source[], namespace: string, fixed: boolean): Loaded {
  const problems: Problem[] = [];
  const items: Item[] = [];
  const empty: string[] = [];
  const seen = new Map<string, Item>();
  for (const { name, text } of sources) {
    const manifest = parseManifest(text, name);
    problems.push(...manifest.problems);
    if (manifest.problems.length > 0) continue;
    if (manifest.documents.length === 0) empty.push(name);
    for (const document of manifest.documents) {
      const item = itemOf(document, namespace);
      const twin = seen.get(item.key);
      if (twin !== undefined) problems.push(twice(item, twin));
      else if (fixed && item.def.namespaced && item.object.metadata.namespace !== namespace)
        problems.push(elsewhere(item, namespace));
      else seen.set(item.key, item);
      items.push(item);
    }
  }
  const rank = (item: Item): number => (first.includes(item.def.kind) ? first.indexOf(item.def.kind) : -1);
  const ordered = items
    .map((item, i) => ({ item, i }))
    .sort((a, b) => rank(a.item) - rank(b.item) || a.i - b.i);
  return { items: ordered.map(({ item }) => item), problems, empty };
}

function itemOf(document: ManifestDocument, namespace: string): Item {
  const { object } = document;
  const def = resolveKind(object.kind);
  const { namespace: own = namespace, ...metadata } = object.metadata;
  const placed = def.namespaced ? { ...object, metadata: { ...metadata, namespace: own } } : object;
  const where = def.namespaced && own !== namespace ? ` in ${own}` : '';
  return {
    def,
    object: placed,
    document,
    label: label(def, metadata.name) + where,
    key: `${def.plural}/${def.namespaced ? own : ''}/${metadata.name}`,
  };
}

/** A problem at a field of the object. */
export function problemAt(item: Item, path: string, message: string): Problem {
  const position = item.document.locate(path);
  return { source: item.document.source, ...position, ...(path === '' ? {} : { path }), message };
}

const twice = (item: Item, twin: Item): Problem => {
  const { line } = twin.document.locate('metadata.name');
  return problemAt(
    item,
    'metadata.name',
    `${item.label} is given twice; first in ${twin.document.source}:${String(line)}`,
  );
};

const elsewhere = (item: Item, namespace: string): Problem =>
  problemAt(
    item,
    'metadata.namespace',
    `is not ${namespace}, which --namespace asks for; change one of them`,
  );
