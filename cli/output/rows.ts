/** The server's Tables as text rows: which columns, in which order, sorted how. Pure. */
import type { TableColumn, TableRow } from '../../client/index.ts';

export interface RowOptions {
  readonly wide: boolean;
  /** NAMESPACE first. */
  readonly withNamespace: boolean;
  readonly showLabels: boolean;
  /** Put before names: `service/`. */
  readonly prefix: string;
}

/** Columns are sent once; a watch's later tables refer to them. */
export type Columns = readonly TableColumn[];

const shown = (columns: Columns, wide: boolean): readonly number[] =>
  columns.flatMap((column, i) => (column.priority === 0 || wide ? [i] : []));

export function headerOf(columns: Columns, options: RowOptions): string[] {
  return [
    ...(options.withNamespace ? ['NAMESPACE'] : []),
    ...shown(columns, options.wide).map((i) => (columns[i]?.name ?? '').toUpperCase()),
    ...(options.showLabels ? ['LABELS'] : []),
  ];
}

export function rowOf(columns: Columns, row: TableRow, options: RowOptions): string[] {
  const cells = shown(columns, options.wide).map((i) => {
    const cell = cellText(row.cells[i]);
    return columns[i]?.format === 'name' ? options.prefix + cell : cell;
  });
  return [
    ...(options.withNamespace ? [row.object?.metadata.namespace ?? ''] : []),
    ...cells,
    ...(options.showLabels ? [labelsText(row.object?.metadata.labels)] : []),
  ];
}

const cellText = (cell: unknown): string => {
  if (cell === null || cell === undefined) return '';
  return typeof cell === 'object' ? JSON.stringify(cell) : String(cell as string | number | boolean);
};

export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  const pairs = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return pairs.length === 0 ? '<none>' : pairs.map(([k, v]) => (v === '' ? k : `${k}=${v}`)).join(',');
}

/** The fields that a path like `.metadata.name`, `{.spec.replicas}` or `status.conditions[0].type` goes through. */
export const stepsOf = (path: string): readonly string[] =>
  path
    .replace(/^\{|\}$/g, '')
    .split(/\.|\[(\d+)\]/)
    .filter((step): step is string => step !== undefined && step !== '');

/** The value at a path; see `stepsOf`. */
export function valueAt(object: unknown, path: string): unknown {
  let value: unknown = object;
  for (const step of stepsOf(path)) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

/** Sorted by the value at `path`; objects without it come first. Stable. */
export function sortByPath<T>(items: readonly T[], path: string, object: (item: T) => unknown): T[] {
  return [...items].sort((a, b) => compare(valueAt(object(a), path), valueAt(object(b), path)));
}

function compare(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [x, y] = [String(a as string), String(b as string)];
  return x < y ? -1 : x > y ? 1 : 0;
}

export const keyOfRow = (row: TableRow): string =>
  `${row.object?.metadata.namespace ?? ''}/${row.object?.metadata.name ?? String(row.cells[0] as string)}`;
