/** Arguments of one command, parsed strictly by yargs. */
import yargs, { type ArgumentsCamelCase, type Argv } from 'yargs';
import { closest, distance } from 'fastest-levenshtein';
import type { Command, GlobalFlags } from './command.ts';
import { usageError, type CliError } from './errors.ts';

/** Flags whose value may be left out (kubectl's NoOptDefVal), so that a bare one never swallows a name. */
const optionalValues: Readonly<Record<string, { values: readonly string[]; bare: string }>> = {
  '--dry-run': { values: ['none', 'client', 'server'], bare: 'client' },
  '--cascade': { values: ['background', 'foreground', 'orphan'], bare: 'background' },
};

const globalsWithValue = new Set(['--context', '--server', '-n', '--namespace', '--request-timeout']);

export interface Split {
  readonly name: string | undefined;
  /** The arguments without the command's name. */
  readonly rest: readonly string[];
  readonly help: boolean;
}

/** Finds the command's name; global flags may stand before it. `orc help X` is `orc X --help`. */
export function splitCommand(argv: readonly string[]): Split {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  let help = own.includes('--help') || own.includes('-h');
  const rest = [...argv];
  for (let i = 0; i < own.length; i++) {
    const arg = own[i] ?? '';
    if (globalsWithValue.has(arg)) i++;
    else if (!arg.startsWith('-')) {
      rest.splice(i, 1);
      if (arg !== 'help') return { name: arg, rest, help };
      help = true;
      const [name, ...more] = rest;
      return { name, rest: more, help };
    }
  }
  return { name: undefined, rest, help };
}

/** yargs, set up for `command` alone. */
export function parserOf(name: string, command: Command): Argv {
  const parser = yargs()
    .scriptName('orc')
    .usage(
      `Usage: orc ${name}${command.positionals === '' ? '' : ` ${command.positionals}`} [flags]\n\n${command.describe}`,
    )
    .parserConfiguration({
      'populate--': true,
      'greedy-arrays': false,
      'dot-notation': false,
      'parse-positional-numbers': false,
      'duplicate-arguments-array': true,
    })
    .exitProcess(false)
    .version(false)
    .help(false)
    .showHelpOnFail(false)
    .strict();
  const own = command.options(parser as Argv);
  own.group(
    flagsOf(own).filter(
      (flag) => flag.length > 1 && !positionalsOf(own).includes(flag) && !aliasesOf(own).includes(flag),
    ),
    'Flags:',
  );
  return own
    .option('namespace', {
      alias: 'n',
      type: 'string',
      describe: "Namespace (default: the context's)",
      group: 'Global flags:',
    })
    .option('context', {
      type: 'string',
      describe: 'Context of the configuration file',
      group: 'Global flags:',
    })
    .option('server', {
      type: 'string',
      describe: 'Address of the API server, instead of the context’s',
      group: 'Global flags:',
    })
    .option('request-timeout', {
      type: 'string',
      describe: 'Longest wait for one answer, e.g. 10s (0: for ever)',
      group: 'Global flags:',
    })
    .option('verbose', {
      alias: 'v',
      type: 'boolean',
      default: false,
      describe: 'Show requests and stack traces',
      group: 'Global flags:',
    })
    .option('help', { alias: 'h', type: 'boolean', describe: 'Show this', group: 'Global flags:' }) as Argv;
}

/** Names of all flags, aliases too. `getOptions` is public in yargs and missing from its types. */
export const flagsOf = (parser: Argv): string[] =>
  Object.keys((parser as unknown as { getOptions(): { key: Record<string, unknown> } }).getOptions().key);

const positionalsOf = (parser: Argv): readonly string[] =>
  (parser as unknown as { getGroups(): Record<string, string[]> }).getGroups()['Positionals:'] ?? [];

/** A flag with a second name is listed once, with both. */
const aliasesOf = (parser: Argv): readonly string[] =>
  Object.values(
    (parser as unknown as { getOptions(): { alias: Record<string, string[]> } }).getOptions().alias,
  ).flat();

const last = (value: unknown): string | undefined => {
  const one: unknown = Array.isArray(value) ? value.at(-1) : value;
  return typeof one === 'string' ? one : undefined;
};

/** Throws a usage error (exit code 2) for whatever the command does not know. */
export async function parseCommand(
  name: string,
  command: Command,
  rest: readonly string[],
): Promise<{ flags: GlobalFlags; args: ArgumentsCamelCase }> {
  const parser = parserOf(name, command);
  let parsed: ArgumentsCamelCase | undefined;
  const known = flagsOf(parser);
  parser
    .command({
      command: `$0 ${command.positionals}`.trim(),
      handler: (args: ArgumentsCamelCase) => {
        parsed = args;
      },
    })
    .fail((message: string, error: Error | undefined) => {
      throw error ?? badUsage(name, command, message, known, rest);
    });
  await parser.parseAsync(prepare(command, rest));
  if (parsed === undefined) throw usageError(`cannot read the arguments of \`orc ${name}\``);
  const args = parsed;
  return {
    args,
    flags: {
      context: last(args['context']),
      server: last(args['server']),
      namespace: last(args['namespace']),
      requestTimeout: last(args['requestTimeout']),
      verbose: args['verbose'] === true,
    },
  };
}

function prepare(command: Command, rest: readonly string[]): string[] {
  const end = rest.indexOf('--');
  const own = end < 0 ? rest : rest.slice(0, end);
  const behind = end < 0 ? [] : rest.slice(end);
  if (command.passThrough && end < 0) return stopAtCommand(rest);
  const out: string[] = [];
  for (let i = 0; i < own.length; i++) {
    const arg = own[i] ?? '';
    const optional = optionalValues[arg];
    // yargs takes a lone dash for a flag.
    if ((arg === '-f' || arg === '--filename') && own[i + 1] === '-')
      out.push(`--filename=${own[++i] ?? ''}`);
    else if (optional === undefined) out.push(arg);
    else if (optional.values.includes(own[i + 1] ?? '')) out.push(`${arg}=${own[++i] ?? ''}`);
    else out.push(`${arg}=${optional.bare}`);
  }
  return [...out, ...behind];
}

/** `exec -it web ls -la`: all that follows the first name belongs to the command inside. */
function stopAtCommand(rest: readonly string[]): string[] {
  for (let i = 0; i < rest.length; i++) {
    const arg = rest[i] ?? '';
    if (globalsWithValue.has(arg) || valueFlagsOfExec.has(arg)) i++;
    else if (!arg.startsWith('-')) return [...rest.slice(0, i + 1), '--', ...rest.slice(i + 1)];
  }
  return [...rest];
}
const valueFlagsOfExec = new Set(['--slot', '--user', '-u', '--workdir', '--env', '-e']);

function badUsage(
  name: string,
  command: Command,
  message: string,
  known: readonly string[],
  rest: readonly string[],
): CliError {
  const help = `see \`orc ${name} --help\``;
  const unknown = /^Unknown arguments?: (.*)$/.exec(message)?.[1]?.split(', ')[0] ?? strangeFlag(rest, known);
  if (unknown !== undefined) {
    const near = nearest(
      unknown,
      known.filter((flag) => flag.length > 1),
    );
    const isFlag = rest.some((arg) => arg.startsWith(`-${unknown}`) || arg.startsWith(`--${unknown}`));
    return usageError(
      isFlag
        ? `unknown flag ${unknown.length === 1 ? '-' : '--'}${unknown} of \`orc ${name}\``
        : `unexpected argument "${unknown}" of \`orc ${name}\``,
      isFlag && near !== undefined ? `did you mean --${near}?` : help,
    );
  }
  const [, flag, given, choices] = /Argument: (\S+), Given: (.*), Choices: (.*)/.exec(message) ?? [];
  if (flag !== undefined)
    return usageError(`${flag} cannot be ${given ?? ''}`, `choose one of ${choices ?? ''}`);
  const missing = /^Missing required arguments?: (.*)$/.exec(message)?.[1];
  if (missing !== undefined) return usageError(`\`orc ${name}\` needs --${missing}`, help);
  if (message.startsWith('Not enough non-option')) {
    return usageError(`\`orc ${name}\` needs ${command.positionals.replaceAll('..', '…')}`, help);
  }
  return usageError(
    lowerFirst(
      message
        .split('\n')
        .filter((line) => line !== '')
        .join(' ')
        .trim(),
    ),
    help,
  );
}

/** The first flag that is not known: told even when something else is missing too. */
const strangeFlag = (rest: readonly string[], known: readonly string[]): string | undefined =>
  rest
    .filter((arg) => /^--[a-z]/.test(arg))
    .map((arg) => arg.slice(2).replace(/=.*$/, ''))
    .find((flag) => !known.includes(flag) && !known.includes(flag.replace(/^no-/, '')));

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** The known word most like `word`, if it is like it at all. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (known.length === 0) return undefined;
  const best = closest(word, known);
  return distance(word, best) <= Math.max(1, Math.floor(word.length * 0.4)) ? best : undefined;
}
