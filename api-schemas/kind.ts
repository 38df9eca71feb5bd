import type { Cause } from '../kit/errors.ts';
import type { Schema } from './dialect.ts';
import type { KindName, ObjOf } from './types.ts';

/** One column of `orc get` and of the API's Table. */
export interface Column<T> {
  /** As printed; upper-cased by the printer. */
  readonly name: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly format?: 'name';
  readonly description: string;
  /** 0: always shown. 1: only with `-o wide`. */
  readonly priority: 0 | 1;
  /** The cell's text. `now` is in milliseconds since the epoch. Never throws on an object without status. */
  cell(object: T, now: number): string | number;
}

/** One line or block of `orc describe`. */
export interface DescribeHint {
  readonly label: string;
  /** Dotted path into the object, e.g. `spec.image`. Left out when nothing is there. */
  readonly path: string;
  /** `value` (default): as it is; `list`: one item a line; `map`: `key=value` lines; `table`: a column per field; `age`: a time, with how long ago. */
  readonly as?: 'value' | 'list' | 'map' | 'table' | 'age';
}

/** Other objects that `orc describe` shows below. */
export interface RelatedHint {
  readonly kind: KindName;
  /** How they are found: by controlling owner, by the same name, or by a field that holds this object's name. */
  readonly by: 'owner' | 'name' | { readonly field: string };
}

/** All that orc knows about a kind. The server, the CLI and the docs are driven by these. */
export interface KindDef<K extends KindName = KindName> {
  readonly kind: K;
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly apiVersion: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly namespaced: boolean;
  readonly schema: Schema;
  readonly columns: readonly Column<ObjOf<K>>[];
  readonly describe: { readonly fields: readonly DescribeHint[]; readonly related: readonly RelatedHint[] };
  readonly subresources: {
    readonly status: boolean;
    readonly scale?: {
      readonly specReplicasPath: string;
      readonly statusReplicasPath: string;
      readonly selectorPath: string;
    };
  };
  /** Field selectors besides `metadata.name` and `metadata.namespace`. */
  readonly selectableFields: readonly string[];
  /**
   * What users may not do, because a controller writes it: `create`, `update`. Controllers write past this.
   * Empty: users may do all.
   */
  readonly readOnly: readonly ('create' | 'update' | 'delete')[];
  /** How names are checked: a DNS label (at most 63) or a DNS subdomain (at most 253). */
  readonly nameFormat: 'label' | 'subdomain';
  /** Rules that a schema cannot say. Fields that the schema found wrong are absent from `object`, as are required ones that were left out. */
  validate?(object: ObjOf<K>): readonly Cause[];
  /** Defaults that depend on other fields, applied after the schema's. */
  defaults?(object: ObjOf<K>): ObjOf<K>;
}

type Derived = 'apiVersion' | 'singular' | 'nameFormat' | 'readOnly' | 'selectableFields' | 'categories';

/** Completes a kind: apiVersion from group and version, singular from the kind, nothing read-only. */
export function defineKind<K extends KindName>(
  def: Omit<KindDef<K>, Derived> & Partial<Pick<KindDef<K>, Derived>>,
): KindDef<K> {
  return {
    apiVersion: def.group === '' ? def.version : `${def.group}/${def.version}`,
    singular: def.kind.toLowerCase(),
    nameFormat: 'subdomain',
    readOnly: [],
    selectableFields: [],
    categories: [],
    ...def,
  };
}
