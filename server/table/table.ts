/** `meta.k8s.io` Table: what `kubectl get` prints, from the kind's columns. */
import type { Column, Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import { badRequest } from '../resources/errors.ts';

export type IncludeObject = 'Metadata' | 'Object' | 'None';

export interface TableOptions {
  readonly version: 'v1' | 'v1beta1';
  readonly include: IncludeObject;
  /** Milliseconds since the epoch, for ages. */
  readonly now: number;
  /** Column definitions too; a watch sends them with the first event only. */
  readonly columns: boolean;
}

/** Throws 400 for another value. */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject');
  switch (value) {
    case null:
    case '':
    case 'Metadata':
      return 'Metadata';
    case 'Object':
    case 'None':
      return value;
    default:
      throw badRequest(`unrecognized includeObject value: ${JSON.stringify(value)}`);
  }
}

export function tableOf(
  def: AnyKindDef,
  objects: readonly Obj[],
  metadata: object,
  { version, include, now, columns }: TableOptions,
): object {
  const defs = def.columns as unknown as readonly Column<Obj>[];
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${version}`,
    metadata,
    columnDefinitions: columns
      ? defs.map(({ name, type, format, description, priority }) => ({
          name,
          type,
          format: format ?? '',
          description,
          priority,
        }))
      : null,
    rows: objects.map((object) => ({
      cells: defs.map((column) => column.cell(object, now)),
      ...(include === 'None' ? {} : { object: include === 'Object' ? object : rowMetadata(object, version) }),
    })),
  };
}

const rowMetadata = (object: Obj, version: string): object => ({
  kind: 'PartialObjectMetadata',
  apiVersion: `meta.k8s.io/${version}`,
  metadata: object.metadata,
});
