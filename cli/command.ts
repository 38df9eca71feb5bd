/** The shape of every command. One file in `commands/` exports `command`; one line in `registry.ts` names it. */
import type { Argv, ArgumentsCamelCase } from 'yargs';
import type { Clock } from '../kit/clock.ts';
import type { Connection } from './connection.ts';
import type { Io } from './io.ts';

/** Flags that every command understands. */
export interface GlobalFlags {
  readonly context: string | undefined;
  readonly server: string | undefined;
  readonly namespace: string | undefined;
  readonly requestTimeout: string | undefined;
  readonly verbose: boolean;
}

/** What a command is given instead of reaching for the process. */
export interface Context {
  readonly io: Io;
  readonly clock: Clock;
  readonly flags: GlobalFlags;
  /** Aborted on SIGINT and SIGTERM. A command that can be interrupted returns soon after. */
  readonly signal: AbortSignal;
  /** All commands, for those that speak of the others. */
  readonly commands: readonly Entry[];
  /** Opens the context that the flags and the kubeconfig name. Reads the file once, dials nothing. */
  connect(): Promise<Connection>;
}

/** 0 when nothing is returned. 1: failed, 2: wrong usage, 3: timed out, 4: `noServerHere`, 130: interrupted. */
export type ExitCode = number;

/** Of `orc server` on a worker: to start it again is of no use, and systemd is told so. */
export const noServerHere = 4;

export interface CommandSpec<A> {
  /** After the command's name, in yargs' syntax: `<kind> [names..]`. */
  readonly positionals?: string;
  /** One sentence; the first line of `--help`. */
  readonly describe: string;
  /** `[command line, what it does]` */
  readonly examples: readonly (readonly [string, string])[];
  /** Further paragraphs at the end of `--help`: exit codes, notes. */
  readonly epilog?: string;
  /** Everything after `--` (or after the positionals) is left in `args['--']` unparsed. */
  readonly passThrough?: boolean;
  options(yargs: Argv): Argv<A>;
  run(context: Context, args: ArgumentsCamelCase<A>): Promise<ExitCode | void>;
}

/** A command whose argument types have been checked where it was defined. */
export interface Command {
  readonly positionals: string;
  readonly describe: string;
  readonly examples: readonly (readonly [string, string])[];
  readonly epilog: string | undefined;
  readonly passThrough: boolean;
  options(yargs: Argv): Argv;
  run(context: Context, args: ArgumentsCamelCase): Promise<ExitCode | void>;
}

export const groups = ['Start a cluster', 'Change', 'Look', 'Inside a task', 'Nodes', 'Settings'] as const;
export type Group = (typeof groups)[number];

/** A command before its file is loaded. */
export interface Entry {
  readonly name: string;
  readonly group: Group;
  /** Empty: not in the overview. */
  readonly summary: string;
  load(): Promise<{ readonly command: Command }>;
}

/** Defines a command: `export const command = defineCommand({ … })`. The options decide the type of `args`. */
export function defineCommand<A>(spec: CommandSpec<A>): Command {
  return {
    positionals: spec.positionals ?? '',
    describe: spec.describe,
    examples: spec.examples,
    epilog: spec.epilog,
    passThrough: spec.passThrough ?? false,
    options: (yargs) => spec.options(yargs) as Argv,
    run: (context, args) => spec.run(context, args as ArgumentsCamelCase<A>),
  };
}
