/** `orc describe`: what is wrong first, then the object in words, its surroundings, its events. Pure. */
import type { Event, Obj } from '../../api-schemas/index.ts';
import type { DescribeHint } from '../../api-schemas/kind.ts';
import type { KindDef } from '../kinds.ts';
import { age } from './age.ts';
import type { Palette } from './color.ts';
import type { Diagnosis } from './diagnose.ts';
import { conditionLines, fieldLines, renderRows, type Row } from './fields.ts';
import { valueAt } from './rows.ts';
import { renderTable } from './table.ts';
import { oneLine, visible, wrap } from './text.ts';

export interface Related {
  readonly def: KindDef;
  readonly objects: readonly Obj[];
}

export interface Description {
  readonly def: KindDef;
  readonly object: Obj;
  readonly diagnosis: Diagnosis | undefined;
  readonly related: readonly Related[];
  readonly events: readonly Event[];
}

export interface Page {
  readonly now: number;
  readonly columns: number;
  readonly palette: Palette;
}

export function renderDescription(description: Description, page: Page): string[] {
  const { def, object, diagnosis, related, events } = description;
  const hints = def.describe.fields;
  const small = hints.filter((hint) => !isBlock(hint));
  return [
    ...diagnosisLines(def, object, diagnosis, page),
    ...renderRows([
      ...metadataRows(object, page.now),
      ...small.map((hint): Row => [hint.label, fieldLines(object, hint, page.now)]),
    ]),
    ...hints.filter(isBlock).flatMap((hint) => block(object, hint, page)),
    ...related.flatMap((r) => relatedLines(r, page)),
    ...eventLines(events, object.metadata.uid, page),
  ];
}

const isBlock = (hint: DescribeHint): boolean => hint.as === 'table';

function diagnosisLines(
  def: KindDef,
  object: Obj,
  diagnosis: Diagnosis | undefined,
  { palette, columns }: Page,
): string[] {
  if (diagnosis === undefined) return [];
  const bullets = (items: readonly string[], mark: string): string[] =>
    items.flatMap((item) =>
      wrap(visible(item), columns - 4).map((line, i) => `  ${i === 0 ? mark : ' '} ${line}`),
    );
  return [
    ...wrap(visible(`${def.singular}/${object.metadata.name}: ${diagnosis.headline}`), columns).map(
      palette.red,
    ),
    ...bullets(diagnosis.findings, '-'),
    ...bullets(diagnosis.next, '→').map(palette.cyan),
    '',
  ];
}

const pairs = (map: Readonly<Record<string, string>> | undefined): readonly string[] => {
  const lines = Object.entries(map ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([k, v]) => oneLine(`${k}=${v}`));
  return lines.length === 0 ? ['<none>'] : lines;
};

function metadataRows({ metadata }: Obj, now: number): Row[] {
  const owner = metadata.ownerReferences?.find((o) => o.controller === true) ?? metadata.ownerReferences?.[0];
  return [
    ['Name', [metadata.name]],
    ['Namespace', metadata.namespace === undefined ? [] : [metadata.namespace]],
    ['Labels', pairs(metadata.labels)],
    ['Annotations', pairs(metadata.annotations)],
    [
      'Created',
      metadata.creationTimestamp === undefined
        ? []
        : [`${metadata.creationTimestamp} (${age(metadata.creationTimestamp, now)} ago)`],
    ],
    ['Controlled By', owner === undefined ? [] : [`${owner.kind.toLowerCase()}/${owner.name}`]],
    [
      'Finalizers',
      metadata.finalizers === undefined || metadata.deletionTimestamp === undefined
        ? []
        : [...metadata.finalizers],
    ],
  ];
}

const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

function block(object: Obj, hint: DescribeHint, { now, columns, palette }: Page): string[] {
  const value = valueAt(object, hint.path);
  const conditions = hint.path.endsWith('conditions') && Array.isArray(value);
  const lines = conditions ? conditionLines(value, now, columns - 2) : fieldLines(object, hint, now);
  return lines.length === 0 || (Array.isArray(value) && value.length === 0)
    ? []
    : [palette.bold(`${hint.label}:`), ...indent(lines)];
}

const maxRelated = 50;

function relatedLines({ def, objects }: Related, { now, palette }: Page): string[] {
  const title = palette.bold(`${def.plural.charAt(0).toUpperCase()}${def.plural.slice(1)}:`);
  if (objects.length === 0) return [`${title}  <none>`];
  const columns = def.columns.filter((c) => c.priority === 0 || c.name === 'Message');
  const rows = objects.slice(0, maxRelated).map((o) => columns.map((c) => String(c.cell(o as never, now))));
  const more = objects.length - maxRelated;
  return [
    title,
    ...indent(
      renderTable(
        columns.map((c) => c.name.toUpperCase()),
        rows,
      ),
    ),
    ...(more > 0 ? [`  and ${String(more)} more`] : []),
  ];
}

export const lastSeen = (event: Event): string =>
  event.lastTimestamp || event.firstTimestamp || event.metadata.creationTimestamp || '';
const maxEvents = 25;

/** Newest last, where the eye ends. Those of other objects (a service's tasks) say whose they are. */
function eventLines(
  events: readonly Event[],
  uid: string | undefined,
  { now, columns, palette }: Page,
): string[] {
  if (events.length === 0) return [`${palette.bold('Events:')}  <none>`];
  const sorted = [...events].sort((a, b) => (lastSeen(a) < lastSeen(b) ? -1 : 1)).slice(-maxEvents);
  const foreign = sorted.some((e) => e.involvedObject.uid !== uid);
  const about = ({ involvedObject: o }: Event): string => `${(o.kind ?? '').toLowerCase()}/${o.name ?? ''}`;
  const rows = [
    ['AGE', 'TYPE', 'REASON', foreign ? 'OBJECT' : 'FROM', 'MESSAGE'],
    ...sorted.map((e) => [
      eventAge(e, now),
      e.type,
      e.reason,
      foreign ? about(e) : e.source.component,
      e.message.trim(),
    ]),
  ];
  const start = renderTable(
    undefined,
    rows.map((row) => [...row.slice(0, -1), '|']),
  ).map((line) => line.slice(0, line.lastIndexOf('|')));
  const left = start[0]?.length ?? 0;
  const lines = rows.flatMap((row, i) =>
    wrap(visible(row.at(-1) ?? ''), Math.max(30, columns - left - 2)).map(
      (line, j) => (j === 0 ? (start[i] ?? '') : ' '.repeat(left)) + line,
    ),
  );
  return [palette.bold('Events:'), ...indent(lines)];
}

/** `2m (x5 over 10m)` */
export function eventAge(event: Event, now: number): string {
  const last = age(lastSeen(event), now);
  return (event.count ?? 1) > 1
    ? `${last} (x${String(event.count)} over ${age(event.firstTimestamp, now)})`
    : last;
}
