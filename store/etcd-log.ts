import { closeSync, copyFileSync, fstatSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

/** The last `count` lines of etcd's log, its JSON made readable. Empty when there is none. */
export function lastLines(file: string, count: number): readonly string[] {
  let text: string;
  try {
    const fd = openSync(file, 'r');
    try {
      const { size } = fstatSync(fd);
      const length = Math.min(size, 32 * 1024);
      const buffer = Buffer.alloc(length);
      readSync(fd, buffer, 0, length, size - length);
      text = buffer.toString();
    } finally {
      closeSync(fd);
    }
  } catch {
    return [];
  }
  return text.split('\n').filter(Boolean).slice(-count).map(readable);
}

/** What etcd says it died of, in its last lines: the last that is fatal. Undefined when it was killed from outside. */
export const causeOf = (lines: readonly string[]): string | undefined =>
  lines.filter((line) => /^(fatal|panic): /.test(line)).at(-1);

function readable(line: string): string {
  try {
    const { level, msg, error } = JSON.parse(line) as Record<string, unknown>;
    return `${String(level)}: ${String(msg)}${error === undefined ? '' : `: ${String(error)}`}`;
  } catch {
    return line;
  }
}

/** Moves a log that has grown past `maxBytes` to `<file>.1`. etcd appends, so it goes on from the start. */
export function rotate(file: string, maxBytes: number): void {
  try {
    if (statSync(file).size <= maxBytes) return;
    copyFileSync(file, `${file}.1`);
    truncateSync(file);
  } catch {
    // There is no log yet.
  }
}
