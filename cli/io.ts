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

/** Writes one line to stdout. */
export const say = (io: Io, line = ''): void => void io.stdout.write(`${line}\n`);
/** Writes one line to stderr: what is not the answer itself. */
export const note = (io: Io, line: string): void => void io.stderr.write(`${line}\n`);
