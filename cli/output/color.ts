/** Colours, or none: the caller decides once per stream. */
export interface Palette {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

const sgr =
  (on: number, off: number) =>
  (text: string): string =>
    text === '' ? '' : `\u001b[${on}m${text}\u001b[${off}m`;
const same = (text: string): string => text;

export const colors: Palette = {
  bold: sgr(1, 22),
  dim: sgr(2, 22),
  red: sgr(31, 39),
  green: sgr(32, 39),
  yellow: sgr(33, 39),
  cyan: sgr(36, 39),
};
export const plain: Palette = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same };

export const paletteFor = (enabled: boolean): Palette => (enabled ? colors : plain);

/** Readable on dark and light backgrounds; red stays free for errors. */
const taskCodes = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94] as const;

/** The colour of `name`: the same in every run, so that an eye finds its task again. */
export function stableColor(name: string): (text: string) => string {
  let hash = 0;
  for (const char of name) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return sgr(taskCodes[hash % taskCodes.length] ?? 36, 39);
}
