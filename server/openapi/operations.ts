/** The operations of our API, from which both OpenAPI versions are written. */
import type { AnyKindDef } from '../../api-schemas/index.ts';
import { patchTypes } from '../resources/patch.ts';
import { componentName, deleteOptionsName, gvk, scaleName, statusName, type Node } from './schemas.ts';

export interface Param {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean';
  readonly description: string;
}

export interface Operation {
  readonly path: string;
  readonly method: 'get' | 'put' | 'post' | 'delete' | 'patch';
  readonly id: string;
  readonly description: string;
  /** `x-kubernetes-action` */
  readonly action: string;
  readonly gvk: Node;
  readonly pathParams: readonly string[];
  readonly query: readonly Param[];
  /** Component of the body. */
  readonly body?: string;
  readonly consumes: readonly string[];
  readonly code: number;
  readonly answer: string;
}

const text = (name: string, description: string): Param => ({ name, type: 'string', description });
const bool = (name: string, description: string): Param => ({ name, type: 'boolean', description });
const int = (name: string, description: string): Param => ({ name, type: 'integer', description });

const writeParams = [
  text('dryRun', 'All: say what would be, and store nothing.'),
  text('fieldManager', 'Who owns the fields that are written.'),
  text('fieldValidation', 'Strict (default), Warn or Ignore: what happens to unknown fields.'),
];
const listParams = [
  bool('allowWatchBookmarks', 'Send bookmarks in a watch.'),
  text('continue', 'Token of the next page.'),
  text('fieldSelector', 'Fields to select by.'),
  text('labelSelector', 'Labels to select by.'),
  int('limit', 'Most items in a page.'),
  text('resourceVersion', 'Version to read at or after.'),
  text('resourceVersionMatch', 'Exact or NotOlderThan.'),
  bool('sendInitialEvents', 'Begin a watch with the present objects.'),
  int('timeoutSeconds', 'When the watch ends.'),
  bool('watch', 'Watch instead of list.'),
];
const deleteParams = [
  text('dryRun', 'All: say what would be, and delete nothing.'),
  int('gracePeriodSeconds', 'Accepted and not used.'),
  text('propagationPolicy', 'Background, Foreground or Orphan.'),
];
const json = ['application/json', 'application/yaml'];

export function operationsOf(def: AnyKindDef): readonly Operation[] {
  const base = def.group === '' ? `/api/${def.version}` : `/apis/${def.group}/${def.version}`;
  const scope = def.namespaced ? '/namespaces/{namespace}' : '';
  const collection = `${base}${scope}/${def.plural}`;
  const own = componentName(def);
  const listed = componentName({ ...def, kind: `${def.kind}List` });
  const group = def.group.split('.').map(capital).join('');
  const idOf = (verb: string, suffix = ''): string =>
    `${verb}${group}${capital(def.version)}${def.namespaced ? 'Namespaced' : ''}${def.kind}${suffix}`;
  const common = {
    gvk: gvk(def),
    pathParams: def.namespaced ? ['namespace'] : [],
    consumes: json,
    code: 200,
    answer: own,
  };
  const item = {
    ...common,
    path: `${collection}/{name}`,
    pathParams: [...common.pathParams, 'name'],
  };
  const force = bool('force', 'With apply: take over fields of other managers.');

  const subresource = (name: string, answer: string, kind: Node): readonly Operation[] => {
    const at = { ...item, path: `${item.path}/${name}`, gvk: kind, answer };
    const what = `${name} of the ${def.kind}`;
    return [
      {
        ...at,
        method: 'get',
        id: idOf('read', capital(name)),
        description: `read ${what}`,
        action: 'get',
        query: [],
      },
      {
        ...at,
        method: 'put',
        id: idOf('replace', capital(name)),
        description: `replace ${what}`,
        action: 'put',
        query: writeParams,
        body: answer,
      },
      {
        ...at,
        method: 'patch',
        id: idOf('patch', capital(name)),
        description: `change ${what}`,
        action: 'patch',
        query: [...writeParams, force],
        consumes: patchTypes,
      },
    ];
  };

  return [
    {
      ...common,
      path: collection,
      method: 'get',
      id: idOf('list'),
      description: `list or watch objects of kind ${def.kind}`,
      action: 'list',
      query: listParams,
      answer: listed,
    },
    {
      ...common,
      path: collection,
      method: 'post',
      id: idOf('create'),
      description: `create a ${def.kind}`,
      action: 'post',
      query: writeParams,
      body: own,
      code: 201,
    },
    {
      ...common,
      path: collection,
      method: 'delete',
      id: idOf('deleteCollection'),
      description: `delete a collection of ${def.kind}`,
      action: 'deletecollection',
      query: [...deleteParams, ...listParams],
      body: deleteOptionsName,
      answer: statusName,
    },
    {
      ...item,
      method: 'get',
      id: idOf('read'),
      description: `read the ${def.kind}`,
      action: 'get',
      query: [],
    },
    {
      ...item,
      method: 'put',
      id: idOf('replace'),
      description: `replace the ${def.kind}`,
      action: 'put',
      query: writeParams,
      body: own,
    },
    {
      ...item,
      method: 'patch',
      id: idOf('patch'),
      description: `change the ${def.kind}`,
      action: 'patch',
      query: [...writeParams, force],
      consumes: patchTypes,
    },
    {
      ...item,
      method: 'delete',
      id: idOf('delete'),
      description: `delete the ${def.kind}`,
      action: 'delete',
      query: deleteParams,
      body: deleteOptionsName,
      answer: statusName,
    },
    ...(def.namespaced
      ? [
          {
            ...common,
            path: `${base}/${def.plural}`,
            pathParams: [],
            method: 'get' as const,
            id: `list${group}${capital(def.version)}${def.kind}ForAllNamespaces`,
            description: `list or watch objects of kind ${def.kind}`,
            action: 'list',
            query: listParams,
            answer: listed,
          },
        ]
      : []),
    ...(def.subresources.status ? subresource('status', own, gvk(def)) : []),
    ...(def.subresources.scale === undefined
      ? []
      : subresource('scale', scaleName, { group: 'autoscaling', version: 'v1', kind: 'Scale' })),
  ];
}

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);
