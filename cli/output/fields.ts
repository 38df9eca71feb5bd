/** Lines of `describe` from the hints of a kind. Pure. */
import type { DescribeHint } from '../../api-schemas/kind.ts';
import { age } from './age.ts';
import { valueAt } from './rows.ts';
import { renderTable } from './table.ts';
import { oneLine, pad, visible, width, wrap } from './text.ts';

export type Row = readonly [label: string, value: readonly string[]];

/** `Label:   value`, further lines of a value beneath the first. */
export function renderRows(rows: readonly Row[], indent = ''): string[] {
  const labels = Math.max(0, ...rows.filter(([, v]) => v.length > 0).map(([label]) => width(label))) + 1;
  return rows.flatMap(([label, value]) =>
    value.map((line, i) => `${indent}${pad(i === 0 ? `${label}:` : '', labels)}  ${line}`.trimEnd()),
  );
}

/** What the hint shows of `object`: rows beside their label, or a table of its own below. */
export function fieldLines(object: unknown, hint: DescribeHint, now: number): readonly string[] {
  const value = valueAt(object, hint.path);
  if (value === undefined || value === null || value === '') return [];
  switch (hint.as ?? 'value') {
    case 'age':
      return typeof value === 'string' ? [`${value} (${age(value, now)} ago)`] : [];
    case 'list':
      return Array.isArray(value) ? value.map(textOf) : [textOf(value)];
    case 'map':
      return isMap(value) ? flat(value) : [textOf(value)];
    case 'table':
      return Array.isArray(value) ? tableOf(value) : [textOf(value)];
    case 'value':
      return [textOf(value)];
  }
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const textOf = (value: unknown): string =>
  oneLine(
    typeof value === 'object' && value !== null
      ? JSON.stringify(value)
      : String(value as string | number | boolean),
  );

/** `limits.memory=64Mi`, sorted as they stand. */
function flat(value: Readonly<Record<string, unknown>>, prefix = ''): string[] {
  return Object.entries(value).flatMap(([key, item]) =>
    isMap(item) ? flat(item, `${prefix}${key}.`) : [`${prefix}${visible(key)}=${textOf(item)}`],
  );
}

function tableOf(items: readonly unknown[]): string[] {
  const maps = items.filter(isMap);
  if (maps.length === 0) return items.map(textOf);
  const columns = [...new Set(maps.flatMap((m) => Object.keys(m)))];
  return renderTable(
    columns.map((c) => c.replace(/([a-z])([A-Z])/g, '$1 $2').toUpperCase()),
    maps.map((m) => columns.map((c) => (m[c] === undefined ? '' : textOf(m[c])))),
  );
}

interface ConditionLike {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

/** Aligned, with messages wrapped beside their column, so that none is cut. */
export function conditionLines(conditions: readonly ConditionLike[], now: number, columns: number): string[] {
  const head = ['TYPE', 'STATUS', 'SINCE', 'REASON', 'MESSAGE'];
  const rows = conditions.map((c) => [
    c.type,
    c.status,
    age(c.lastTransitionTime, now),
    c.reason ?? '',
    c.message ?? '',
  ]);
  const widths = [0, 1, 2, 3].map((i) => Math.max(...[head, ...rows].map((row) => width(row[i] ?? ''))) + 3);
  const left = widths.reduce((a, b) => a + b, 0);
  return [head, ...rows].flatMap((row) => {
    const start = row
      .slice(0, 4)
      .map((cell, i) => pad(cell, widths[i] ?? 0))
      .join('');
    const message = wrap(visible((row[4] ?? '').replace(/; /g, ';\n')), Math.max(30, columns - left));
    return message.map((line, i) => ((i === 0 ? start : ' '.repeat(left)) + line).trimEnd());
  });
}
