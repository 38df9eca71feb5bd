/** `label` and `annotate`: the same command on two maps. */
import type { Argv } from 'yargs';
import type { CommandSpec, Context } from './command.ts';
import { CliError, usageError } from './errors.ts';
import { say } from './io.ts';
import { label, scopeOf, selectNamed } from './kinds.ts';

interface MarkArgs {
  readonly what: string[];
  readonly overwrite: boolean;
}

type MarkSpec = Pick<CommandSpec<MarkArgs>, 'describe' | 'examples'>;

export const markCommand = (
  field: 'labels' | 'annotations',
  { describe, examples }: MarkSpec,
): CommandSpec<MarkArgs> => ({
  positionals: '<what..>',
  describe,
  examples,
  options: (yargs: Argv) =>
    yargs
      .positional('what', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'KIND NAME… or KIND/NAME…, then key=value or key-',
      })
      .option('overwrite', { type: 'boolean', default: false, describe: 'Change values that are there' }),

  run: (context, args) => mark(context, field, args.what, args.overwrite),
});

/** Changes the labels or annotations of the objects that the words name; see `MarkArgs`. */
export async function mark(
  context: Context,
  field: 'labels' | 'annotations',
  what: readonly string[],
  overwrite: boolean,
): Promise<void> {
  const { client, namespace } = await context.connect();
  const { objects, changes } = splitWords(what);
  for (const { def, name } of selectNamed(objects)) {
    const ref = { ...scopeOf(def, namespace), name };
    const { metadata } = await client.get(def.kind, ref, context.signal);
    const now = metadata[field] ?? {};
    const taken = Object.entries(changes).find(
      ([k, v]) => v !== null && now[k] !== undefined && now[k] !== v,
    );
    if (taken !== undefined && !overwrite) {
      throw new CliError(`${label(def, name)} already has ${taken[0]}=${now[taken[0]] ?? ''}`, {
        remedy: 'change it with --overwrite',
      });
    }
    const same = Object.entries(changes).every(([k, v]) =>
      v === null ? now[k] === undefined : now[k] === v,
    );
    if (!same)
      await client.patch(
        def.kind,
        ref,
        'merge',
        { metadata: { [field]: changes } },
        { fieldManager: 'orc-cli', signal: context.signal },
      );
    say(
      context.io,
      `${label(def, name)} ${same ? 'unchanged' : field === 'labels' ? 'labeled' : 'annotated'}`,
    );
  }
}

/** `null` removes a key. */
function splitWords(words: readonly string[]): {
  objects: readonly string[];
  changes: Readonly<Record<string, string | null>>;
} {
  const isChange = (word: string): boolean => word.includes('=') || word.endsWith('-');
  const first = words.findIndex(isChange);
  if (first < 1)
    throw usageError('give objects, then key=value or key-', 'e.g. `orc label node node-b zone=eu`');
  const changes: Record<string, string | null> = {};
  for (const word of words.slice(first)) {
    if (!isChange(word)) throw usageError(`"${word}" is not key=value or key-`);
    const at = word.indexOf('=');
    if (at < 0) changes[word.slice(0, -1)] = null;
    else changes[word.slice(0, at)] = word.slice(at + 1);
  }
  return { objects: words.slice(0, first), changes };
}
