/** From arguments to an exit code: finds the command, loads it, parses its flags, runs it, prints what failed. */
import { systemClock, type Clock } from '../kit/clock.ts';
import type { Context, ExitCode } from './command.ts';
import type { Connection } from './connection.ts';
import { CliError } from './errors.ts';
import { commandHelp, topLevelHelp, unknownCommand } from './help.ts';
import { note, say, type Io } from './io.ts';
import { parseCommand, splitCommand } from './parse.ts';
import { entries } from './registry.ts';
import { paletteFor } from './output/color.ts';
import { renderError } from './output/errors.ts';

export interface Process {
  readonly io: Io;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}

/** Never throws. Undefined: the command ended because it was interrupted. */
export async function run(argv: readonly string[], process: Process): Promise<ExitCode | undefined> {
  const { io, signal } = process;
  const verbose = argv.some((arg) => arg === '-v' || arg === '--verbose');
  try {
    return await dispatch(argv, process);
  } catch (error) {
    if (signal.aborted && !(error instanceof CliError)) return undefined;
    const palette = paletteFor(io.color && io.stderrTty);
    for (const line of renderError(error, palette, verbose)) note(io, line);
    return error instanceof CliError ? error.exitCode : 1;
  }
}

async function dispatch(
  argv: readonly string[],
  { io, signal, clock = systemClock }: Process,
): Promise<number> {
  const { name, rest, help } = splitCommand(argv);
  if (name === undefined) {
    if (argv.includes('--version')) return dispatch(['version', '--client'], { io, signal, clock });
    say(io, topLevelHelp(paletteFor(io.color)));
    return help || argv.length === 0 ? 0 : 2;
  }
  const entry = entries.find((e) => e.name === name);
  if (entry === undefined) throw unknownCommand(name);
  const { command } = await entry.load();
  if (help) {
    say(io, await commandHelp(name, command, io.columns()));
    return 0;
  }
  const { flags, args } = await parseCommand(name, command, rest);
  const connections: Connection[] = [];
  const context: Context = {
    io,
    clock,
    flags,
    signal,
    commands: entries,
    async connect() {
      const connection = await (await import('./connect.ts')).connect(flags, io);
      connections.push(connection);
      return connection;
    },
  };
  const code = await command.run(context, args).finally(async () => {
    for (const connection of connections) await connection.settled();
  });
  if (code !== undefined) return code;
  signal.throwIfAborted();
  return 0;
}
