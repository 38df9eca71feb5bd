/** What there is, as both forms of discovery need it: groups, their resources and subresources. */
import { kinds, type AnyKindDef } from '../../api-schemas/kinds.ts';

export interface Subresource {
  readonly name: string;
  readonly kind: { readonly group: string; readonly version: string; readonly kind: string };
  readonly verbs: readonly string[];
}

export interface Resource {
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly verbs: readonly string[];
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly subresources: readonly Subresource[];
}

export interface Group {
  readonly group: string;
  readonly version: string;
  readonly resources: readonly Resource[];
}

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

function verbsOf({ readOnly }: AnyKindDef): readonly string[] {
  return allVerbs.filter((verb) => {
    if (verb === 'create') return !readOnly.includes('create');
    if (verb === 'delete' || verb === 'deletecollection') return !readOnly.includes('delete');
    return true;
  });
}

function subresourcesOf(def: AnyKindDef): readonly Subresource[] {
  const own = { group: def.group, version: def.version, kind: def.kind };
  const { status, scale } = def.subresources;
  const verbs = ['get', 'patch', 'update'];
  return [
    ...(status ? [{ name: 'status', kind: own, verbs }] : []),
    ...(scale === undefined
      ? []
      : [{ name: 'scale', kind: { group: 'autoscaling', version: 'v1', kind: 'Scale' }, verbs }]),
    ...(def.kind === 'Task'
      ? [
          { name: 'log', kind: own, verbs: ['get'] },
          { name: 'exec', kind: own, verbs: ['create', 'get'] },
        ]
      : []),
  ];
}

const ofKind = (def: AnyKindDef): Resource => ({
  plural: def.plural,
  singular: def.singular,
  kind: def.kind,
  namespaced: def.namespaced,
  verbs: verbsOf(def),
  shortNames: def.shortNames,
  categories: def.categories,
  subresources: subresourcesOf(def),
});

const review = (plural: string, kind: string): Resource => ({
  plural,
  singular: kind.toLowerCase(),
  kind,
  namespaced: false,
  verbs: ['create'],
  shortNames: [],
  categories: [],
  subresources: [],
});

/** Core first, then by name. */
export const groups: readonly Group[] = [
  ...[...new Set(kinds.map((def) => `${def.group}/${def.version}`))].sort().map((id) => {
    const at = id.lastIndexOf('/');
    const [group, version] = [id.slice(0, at), id.slice(at + 1)];
    const resources = kinds.filter((def) => def.group === group && def.version === version).map(ofKind);
    return { group, version, resources };
  }),
  {
    group: 'authentication.k8s.io',
    version: 'v1',
    resources: [review('selfsubjectreviews', 'SelfSubjectReview')],
  },
  {
    group: 'authorization.k8s.io',
    version: 'v1',
    resources: [
      review('selfsubjectaccessreviews', 'SelfSubjectAccessReview'),
      review('selfsubjectrulesreviews', 'SelfSubjectRulesReview'),
    ],
  },
];
