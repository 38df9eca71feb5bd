/** Unified diff of two texts. Pure. */
import type { Palette } from './color.ts';

type Edit = { readonly kind: ' ' | '-' | '+'; readonly line: string };

const context = 3;
/** Beyond this the common lines in the middle are not searched for. */
const maxCells = 4_000_000;

/** Empty when both are equal. */
export function unifiedDiff(
  before: string,
  after: string,
  names: readonly [string, string],
  palette: Palette,
): string[] {
  if (before === after) return [];
  const edits = diffLines(before.split('\n'), after.split('\n'));
  const lines = hunks(edits).flatMap(({ start, end }) => {
    const left = edits.slice(0, start).filter((e) => e.kind !== '+').length;
    const right = edits.slice(0, start).filter((e) => e.kind !== '-').length;
    const part = edits.slice(start, end);
    const removed = part.filter((e) => e.kind !== '+').length;
    const added = part.filter((e) => e.kind !== '-').length;
    const head = `@@ -${String(left + 1)},${String(removed)} +${String(right + 1)},${String(added)} @@`;
    return [palette.cyan(head), ...part.map((edit) => paint(edit, palette))];
  });
  return [palette.bold(`--- ${names[0]}`), palette.bold(`+++ ${names[1]}`), ...lines];
}

function paint({ kind, line }: Edit, palette: Palette): string {
  const text = kind + line;
  if (kind === '-') return palette.red(text);
  return kind === '+' ? palette.green(text) : text;
}

function diffLines(a: readonly string[], b: readonly string[]): Edit[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (
    tail < a.length - head &&
    tail < b.length - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  )
    tail++;
  const same = (lines: readonly string[]): Edit[] => lines.map((line) => ({ kind: ' ', line }));
  return [
    ...same(a.slice(0, head)),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...same(tail === 0 ? [] : a.slice(-tail)),
  ];
}

/** Longest common subsequence, by table. */
function middle(a: readonly string[], b: readonly string[]): Edit[] {
  const columns = b.length + 1;
  if (a.length * b.length > maxCells) {
    return [...a.map((line): Edit => ({ kind: '-', line })), ...b.map((line): Edit => ({ kind: '+', line }))];
  }
  const table = new Uint32Array((a.length + 1) * columns);
  const at = (i: number, j: number): number => table[i * columns + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      table[i * columns + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const edits: Edit[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    const [left, right] = [a[i], b[j]];
    if (left !== undefined && left === right) {
      edits.push({ kind: ' ', line: left });
      i++;
      j++;
    } else if (left !== undefined && (right === undefined || at(i + 1, j) >= at(i, j + 1))) {
      edits.push({ kind: '-', line: left });
      i++;
    } else if (right !== undefined) {
      edits.push({ kind: '+', line: right });
      j++;
    }
  }
  return edits;
}

/** Ranges of edits with their surroundings, joined where they touch. */
function hunks(edits: readonly Edit[]): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  for (const [i, { kind }] of edits.entries()) {
    if (kind === ' ') continue;
    const [start, end] = [Math.max(0, i - context), Math.min(edits.length, i + context + 1)];
    const last = found.at(-1);
    if (last !== undefined && start <= last.end) last.end = end;
    else found.push({ start, end });
  }
  return found;
}
