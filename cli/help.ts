/** Help texts. The overview lists commands by what a user wants to do, without loading any of them. */
import { groups, type Command } from './command.ts';
import { usageError, type CliError } from './errors.ts';
import { nearest, parserOf } from './parse.ts';
import { entries } from './registry.ts';
import type { Palette } from './output/color.ts';
import { pad } from './output/text.ts';

export function topLevelHelp({ bold }: Palette): string {
  const widest = Math.max(...entries.map((e) => e.name.length)) + 2;
  const sections = groups.flatMap((group) => {
    const members = entries.filter((e) => e.group === group && e.summary !== '');
    return members.length === 0
      ? []
      : ['', bold(`${group}:`), ...members.map((e) => `  ${pad(e.name, widest)} ${e.summary}`)];
  });
  return [
    'orc runs containers on Docker hosts from manifests, and keeps them running.',
    '',
    'Usage: orc COMMAND [flags]',
    ...sections,
    '',
    bold('Global flags:'),
    '  -n, --namespace, --context, --server, --request-timeout, -v/--verbose, -h/--help',
    '',
    '`orc COMMAND --help` shows flags and examples. Start with: orc up',
  ].join('\n');
}

export async function commandHelp(name: string, command: Command, columns: number): Promise<string> {
  let parser = parserOf(name, command).wrap(Math.max(60, Math.min(columns, 110)));
  for (const [line, what] of command.examples) parser = parser.example(line, what);
  if (command.epilog !== undefined) parser = parser.epilog(command.epilog);
  return parser.getHelp();
}

export function unknownCommand(name: string): CliError {
  const near = nearest(
    name,
    entries.map((e) => e.name),
  );
  return usageError(
    `unknown command "${name}"`,
    near === undefined ? '`orc --help` lists all commands' : `did you mean \`orc ${near}\`?`,
  );
}
