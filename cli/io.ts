/** The terminal as a dependency: a test gives a command its own. */
import type { Readable, Writable } from 'node:stream';

export interface Io {
  readonly stdin: Readable & { readonly isTTY?: boolean; setRawMode?(mode: boolean): unknown };
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Whether stdout, stderr are terminals that take cursor movement. */
  readonly stdoutTty: boolean;
  readonly stderrTty: boolean;
  /** Colours for stdout: only in a terminal, and never with NO_COLOR. */
  readonly color: boolean;
  readonly columns: () => number;
  readonly rows: () => number;
}

/** The terminal of this process. */
export function processIo(): Io {
  const env = process.env;
  const dumb = env['TERM'] === 'dumb';
  const stdoutTty = process.stdout.isTTY === true;
  const noColor = env['NO_COLOR'] !== undefined && env['NO_COLOR'] !== '';
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env,
    cwd: process.cwd(),
    stdoutTty: stdoutTty && !dumb,
    stderrTty: process.stderr.isTTY === true && !dumb,
    color: stdoutTty && !dumb && !noColor,
    columns: () => process.stdout.columns || process.stderr.columns || 80,
    rows: () => process.stdout.rows || process.stderr.rows || 24,
  };
}

const draining = new WeakMap<Writable, Promise<void>>();

/**
 * Resolves when the stream takes more: at once, unless its reader is behind. What prints without an end awaits it
 * after each piece, so that a slow reader slows the source instead of filling the memory. One wait is shared by
 * all who print.
 */
export function taking(stream: Writable): Promise<void> {
  if (!stream.writableNeedDrain || stream.destroyed) return Promise.resolve();
  const waiting = draining.get(stream);
  if (waiting !== undefined) return waiting;
  const drained = new Promise<void>((resolve) => {
    const done = (): void => {
      draining.delete(stream);
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.once('drain', done).once('close', done);
  });
  draining.set(stream, drained);
  return drained;
}

/** Writes one line to stdout. */
export const say = (io: Io, line = ''): void => void io.stdout.write(`${line}\n`);
/** Writes one line to stderr: what is not the answer itself. */
export const note = (io: Io, line: string): void => void io.stderr.write(`${line}\n`);
