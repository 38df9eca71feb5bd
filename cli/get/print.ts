/** Prints what `get` was answered. */
import type { Obj } from '../../api-schemas/index.ts';
import type { KindDef } from '../kinds.ts';
import type { Table } from '../../client/index.ts';
import { say, type Io } from '../io.ts';
import { label } from '../kinds.ts';
import { headerOf, rowOf, sortByPath, type RowOptions } from '../output/rows.ts';
import { renderTable } from '../output/table.ts';
import { toJson, toYaml, withoutManagedFields } from '../output/yaml.ts';

export interface PrintOptions {
  readonly output: 'wide' | 'yaml' | 'json' | 'name' | undefined;
  readonly headers: boolean;
  readonly showLabels: boolean;
  readonly sortBy: string | undefined;
  readonly managedFields: boolean;
  readonly allNamespaces: boolean;
  /** Several kinds: names carry their kind, and each kind has a table of its own. */
  readonly grouped: boolean;
  /** More than one object may come: YAML and JSON are wrapped in a List. */
  readonly isList: boolean;
}

/** What the server said about one kind: a table, or whole objects. */
export interface Answer {
  readonly def: KindDef;
  readonly table?: Table;
  readonly objects?: readonly Obj[];
}

export const rowOptions = (def: KindDef, options: PrintOptions): RowOptions => ({
  wide: options.output === 'wide',
  withNamespace: options.allNamespaces && def.namespaced,
  showLabels: options.showLabels,
  prefix: options.grouped ? `${def.singular}/` : '',
});

/** One table per kind, an empty line between. False when there was nothing to print. */
export function printTables(io: Io, answers: readonly Answer[], options: PrintOptions): boolean {
  const byKind = new Map<KindDef, Table[]>();
  for (const { def, table } of answers) {
    if (table !== undefined && table.rows.length > 0) byKind.set(def, [...(byKind.get(def) ?? []), table]);
  }
  let first = true;
  for (const [def, tables] of byKind) {
    if (!first) say(io);
    first = false;
    const columns = tables[0]?.columnDefinitions ?? [];
    const format = rowOptions(def, options);
    const rows = tables.flatMap((t) => t.rows);
    const sorted =
      options.sortBy === undefined ? rows : sortByPath(rows, options.sortBy, (row) => row.object);
    const header = options.headers ? headerOf(columns, format) : undefined;
    for (const line of renderTable(
      header,
      sorted.map((row) => rowOf(columns, row, format)),
    ))
      say(io, line);
  }
  return !first;
}

/** Whole objects: names, or YAML or JSON, in a List when there may be several. */
export function printObjects(io: Io, answers: readonly Answer[], options: PrintOptions): number {
  const all = answers.flatMap(({ def, objects = [] }) => objects.map((object) => ({ def, object })));
  const sorted = options.sortBy === undefined ? all : sortByPath(all, options.sortBy, (a) => a.object);
  if (options.output === 'name') {
    for (const { def, object } of sorted) say(io, label(def, object.metadata.name));
    return 0;
  }
  const objects = sorted.map(({ object }) => (options.managedFields ? object : withoutManagedFields(object)));
  const value = options.isList
    ? { apiVersion: 'v1', items: objects, kind: 'List', metadata: { resourceVersion: '' } }
    : objects[0];
  io.stdout.write(options.output === 'json' ? toJson(value) : toYaml(value));
  return 0;
}
