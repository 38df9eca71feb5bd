/** For tests: a terminal in memory, and golden files. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { systemClock, type Clock } from '../kit/clock.ts';
import type { Io } from './io.ts';
import { run } from './run.ts';

export interface TestIo extends Io {
  /** All that was written to stdout, stderr so far. */
  out(): string;
  err(): string;
}

export interface TestIoOptions {
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly tty?: boolean;
  readonly color?: boolean;
  readonly columns?: number;
}

export function testIo({
  stdin = '',
  env = {},
  tty = false,
  color = false,
  columns = 100,
}: TestIoOptions = {}): TestIo {
  const [out, err] = [collector(), collector()];
  return {
    stdin: Object.assign(Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]), { isTTY: false }),
    stdout: out.stream,
    stderr: err.stream,
    env,
    cwd: process.cwd(),
    stdoutTty: tty,
    stderrTty: tty,
    color,
    columns: () => columns,
    rows: () => 40,
    out: out.text,
    err: err.text,
  };
}

function collector(): { stream: PassThrough; text: () => string } {
  const parts: string[] = [];
  const stream = new PassThrough();
  stream.on('data', (part: Buffer) => parts.push(part.toString('utf8')));
  return { stream, text: () => parts.join('') };
}

export interface Ran {
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
}

/** Runs `orc` with these arguments in this process. */
export async function orc(
  args: readonly string[],
  options: TestIoOptions & { readonly signal?: AbortSignal; readonly clock?: Clock } = {},
): Promise<Ran> {
  const io = testIo(options);
  const code = await run(args, {
    io,
    signal: options.signal ?? new AbortController().signal,
    clock: options.clock ?? systemClock,
  });
  return { code, out: io.out(), err: io.err() };
}

/** The text of a golden file; with UPDATE_GOLDEN=1 the file is written first. */
export function golden(name: string, actual: string): string {
  const path = join(dirname(fileURLToPath(import.meta.url)), 'output', 'testdata', name);
  if (process.env['UPDATE_GOLDEN'] === '1') {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
  }
  return readFileSync(path, 'utf8');
}
