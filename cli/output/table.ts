/** Tables as kubectl prints them: three spaces between columns, the last one not padded. */
import { oneLine, width } from './text.ts';

const minWidth = 6;
const padding = 3;

export interface TableWriter {
  /** Lines for these rows. Columns never get narrower than in earlier calls, so a watch stays aligned. */
  rows(rows: readonly (readonly string[])[]): string[];
}

/** A writer that remembers the widths of what it has printed. */
export function tableWriter(): TableWriter {
  const widths: number[] = [];
  return {
    rows(rows) {
      const clean = rows.map((row) => row.map(oneLine));
      for (const row of clean) {
        for (const [i, cell] of row.slice(0, -1).entries()) {
          widths[i] = Math.max(widths[i] ?? minWidth, width(cell) + padding);
        }
      }
      return clean.map((row) =>
        row
          .map((cell, i) =>
            i === row.length - 1 ? cell : cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - width(cell))),
          )
          .join('')
          .trimEnd(),
      );
    },
  };
}

/** A whole table at once. */
export const renderTable = (
  header: readonly string[] | undefined,
  rows: readonly (readonly string[])[],
): string[] => tableWriter().rows(header === undefined ? rows : [header, ...rows]);
