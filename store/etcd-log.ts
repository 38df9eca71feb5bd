import { closeSync, copyFileSync, fstatSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

/** The last `count` lines of etcd's log, its JSON made readable. Empty when there is none. */
export function lastLines(file: string, count: number): readonly string[] {
  return endOf(file, 32 * 1024)
    .split('\n')
    .filter(Boolean)
    .slice(-count)
    .map(readable);
}

/** The log's end, of at most `maxBytes`, but nothing before `from`. */
function endOf(file: string, maxBytes: number, from = 0): string {
  try {
    const fd = openSync(file, 'r');
    try {
      const { size } = fstatSync(fd);
      // It was cut in between.
      const start = Math.max(from > size ? 0 : from, size - maxBytes);
      const buffer = Buffer.alloc(size - start);
      readSync(fd, buffer, 0, buffer.length, start);
      return buffer.toString();
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}

/** Size of the log, 0 when there is none. */
export function sizeOfLog(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}

/**
 * True when etcd has said, since the log had the size `from`, that the others removed it from their cluster. All of
 * it is read: at its end etcd writes as much as it likes about each of its peers.
 */
export function wasRemoved(file: string, from: number): boolean {
  const log = endOf(file, Infinity, from);
  return (
    log.includes('the member has been permanently removed from the cluster') ||
    /"removed member".*"local-member-id":"(\w+)","removed-remote-peer-id":"\1"/.test(log)
  );
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
