/** From the words that users type to kinds: plurals, singulars, short names, `all`, `KIND/NAME`. */
import { kinds, resolveResource, type AnyKindDef } from '../api-schemas/kinds.ts';
import type { KindDef } from '../api-schemas/kind.ts';
import { usageError } from './errors.ts';
import { nearest } from './parse.ts';

export interface NamedRef {
  readonly def: KindDef;
  readonly name: string;
}

/** What a command line names: some kinds as a whole, or some objects. */
export type Selection =
  | { readonly kind: 'all-of'; readonly defs: readonly KindDef[]; readonly grouped: boolean }
  | { readonly kind: 'named'; readonly refs: readonly NamedRef[]; readonly grouped: boolean };

/** Words of other tools, beside each kind's own short names. */
const alsoCalled: Readonly<Record<string, string>> = {
  svc: 'Service',
  pod: 'Task',
  pods: 'Task',
  po: 'Task',
  no: 'Node',
  ns: 'Namespace',
  ev: 'Event',
  ep: 'Endpoints',
  net: 'Network',
  nets: 'Network',
  rev: 'Revision',
};

export type { KindDef };
export const allKinds: readonly AnyKindDef[] = kinds;

export const namesOf = (def: KindDef): readonly string[] => [def.plural, def.singular, ...def.shortNames];

/** `services`, `service`, `Service`, `services.orc.dev`, a short name; undefined for any other word. */
export const kindOf = (word: string): KindDef | undefined =>
  resolveResource(word) ?? allKinds.find((d) => d.kind === alsoCalled[word.toLowerCase()]);

/** The kind that the word names. Throws with a suggestion. */
export function resolveKind(word: string): KindDef {
  const def = kindOf(word);
  if (def !== undefined) return def;
  const near = nearest(word.toLowerCase(), allKinds.flatMap(namesOf));
  throw usageError(
    `the server has no kind "${word}"`,
    near === undefined ? '`orc api-resources` lists the kinds' : `did you mean "${near}"?`,
  );
}

function resolveList(words: string): readonly KindDef[] {
  const defs = words
    .split(',')
    .filter((word) => word !== '')
    .flatMap((word) => {
      if (word === 'all' || word === 'orc') return allKinds.filter((def) => def.categories.includes(word));
      return [resolveKind(word)];
    });
  return [...new Set(defs)];
}

/** Reads `KIND`, `KIND,KIND`, `all`, `KIND NAME…` or `KIND/NAME…`. */
export function select(words: readonly string[]): Selection {
  const [first, ...names] = words;
  if (first === undefined || first === '') {
    throw usageError('name a kind, e.g. services, or KIND/NAME', '`orc api-resources` lists the kinds');
  }
  if (words.some((word) => word.includes('/'))) {
    const refs = words.map(parseRef);
    return { kind: 'named', refs, grouped: new Set(refs.map((r) => r.def.kind)).size > 1 };
  }
  const defs = resolveList(first);
  const grouped = defs.length > 1 || first.split(',').includes('all');
  if (names.length === 0) return { kind: 'all-of', defs, grouped };
  if (first.split(',').includes('all')) throw usageError('`all` takes no names', 'use KIND/NAME');
  return { kind: 'named', refs: defs.flatMap((def) => names.map((name) => ({ def, name }))), grouped };
}

/** `service/web` */
export function parseRef(word: string): NamedRef {
  const [kind = '', name = '', ...more] = word.split('/');
  if (kind === '' || name === '' || more.length > 0) {
    throw usageError(`"${word}" is not KIND/NAME`, 'when one argument has a slash, all must be KIND/NAME');
  }
  return { def: resolveKind(kind), name };
}

/** Objects that are named one way or the other; throws unless exactly `KIND NAME…` or `KIND/NAME…`. */
export function selectNamed(words: readonly string[]): readonly NamedRef[] {
  const selection = select(words);
  if (selection.kind === 'named') return selection.refs;
  throw usageError('name an object: KIND NAME or KIND/NAME');
}

/** `service/web`, as commands print it. */
export const label = (def: Pick<KindDef, 'singular'>, name: string): string => `${def.singular}/${name}`;

/** The namespace of a request for `def`: none for kinds of the whole cluster. */
export const scopeOf = (
  def: Pick<KindDef, 'namespaced'>,
  namespace: string,
): { readonly namespace?: string } => (def.namespaced ? { namespace } : {});
