import type { KindName } from '../../api-schemas/index.ts';
import { defineCommand, type Context } from '../command.ts';
import { say } from '../io.ts';
import { allKinds, resolveKind, scopeOf } from '../kinds.ts';
import { flagsOf, parserOf, splitCommand } from '../parse.ts';

/** Longer than this nobody waits for a completion. */
const patienceMs = 1500;

export const command = defineCommand({
  positionals: '',
  describe: 'Print what may come next, one a line (for the scripts of `orc completion`).',
  examples: [],
  options: (yargs) => yargs,

  async run(context, args) {
    const words = ((args as { '--'?: readonly (string | number)[] })['--'] ?? []).map(String);
    const found = await suggest(context, words).catch(() => []);
    for (const word of found) say(context.io, word);
    return 0;
  },
});

const kindsThen: Readonly<Record<string, 'kinds'>> = Object.fromEntries(
  ['get', 'describe', 'delete', 'wait', 'label', 'annotate'].map((name) => [name, 'kinds' as const]),
);
const namesOfKind: Readonly<Record<string, readonly KindName[]>> = {
  cordon: ['Node'],
  uncordon: ['Node'],
  drain: ['Node'],
  scale: ['Service'],
  logs: ['Service', 'Task'],
  exec: ['Service', 'Task'],
};

/** What the value of a flag names. */
function kindOfFlag(command: string, flag: string | undefined): KindName | undefined {
  if (command !== 'net') return undefined;
  return flag === '--node' ? 'Node' : flag === '--network' ? 'Network' : undefined;
}

/** `words` are those after `orc`; the last is the one that is being typed. */
async function suggest(context: Context, words: readonly string[]): Promise<readonly string[]> {
  const word = words.at(-1) ?? '';
  const { commands } = context;
  const before = words.slice(0, -1);
  const { name, rest } = splitCommand(before);
  if (name === undefined) return commands.filter((e) => e.summary !== '').map((e) => e.name);
  const entry = commands.find((e) => e.name === name);
  if (entry === undefined) return [];
  if (word.startsWith('-')) {
    const { command: target } = await entry.load();
    return flagsOf(parserOf(name, target))
      .filter((flag) => flag.length > 1)
      .map((flag) => `--${flag}`);
  }
  const named = kindOfFlag(name, before.at(-1));
  if (named !== undefined) return names(context, named);
  const given = rest.filter((arg) => !arg.startsWith('-'));
  if (name === 'explain' || name === 'api-resources') return allKinds.map((def) => def.singular);
  if (name in kindsThen) return kindsOrNames(context, given, word);
  if (name === 'net') return given.length === 0 ? ['check', 'rotate-keys'] : [];
  const all = await Promise.all((namesOfKind[name] ?? []).map((kind) => names(context, kind)));
  return all.flat();
}

async function kindsOrNames(
  context: Context,
  given: readonly string[],
  word: string,
): Promise<readonly string[]> {
  const [kind] = word.split('/');
  if (word.includes('/')) {
    const def = resolveKind(kind ?? '');
    return (await names(context, def.kind)).map((name) => `${kind ?? ''}/${name}`);
  }
  const [first] = given;
  if (first === undefined) return allKinds.flatMap((def) => [def.plural, `${def.singular}/`]);
  return first.includes('/')
    ? allKinds.map((def) => `${def.singular}/`)
    : names(context, resolveKind(first).kind);
}

async function names(context: Context, kind: KindName): Promise<readonly string[]> {
  const { client, namespace } = await context.connect();
  const signal = AbortSignal.any([context.signal, AbortSignal.timeout(patienceMs)]);
  const { items } = await client.list(kind, { ...scopeOf(resolveKind(kind), namespace), signal });
  return items.map(({ metadata }) => metadata.name);
}
