import type { Obj } from '../../api-schemas/index.ts';
import { isNotFound } from '../../kit/errors.ts';
import { defineCommand, type Context } from '../command.ts';
import type { Connection } from '../connection.ts';
import { CliError, usageError } from '../errors.ts';
import { dryRunFlag, duration, fileFlags, joined, selectorFlags } from '../flags.ts';
import { note, say } from '../io.ts';
import { label, scopeOf, select, type KindDef } from '../kinds.ts';
import { problemsError } from '../apply/check.ts';
import { load } from '../manifest/load.ts';
import { readSources } from '../manifest/sources.ts';
import { waitGone, type GoneTarget } from '../wait/gone.ts';

const propagation = { background: 'Background', foreground: 'Foreground', orphan: 'Orphan' } as const;

interface Victim {
  readonly def: KindDef;
  readonly namespace: string | undefined;
  readonly name: string;
}

export const command = defineCommand({
  positionals: '[what..]',
  describe: 'Delete objects and what they own.',
  examples: [
    ['orc delete -f stack.yml', 'What a file names'],
    ['orc delete service web', 'One object; waits until its containers are gone'],
    ['orc delete services -l app=web', 'By label'],
    ['orc delete stacks --all -n shop', 'All of a kind'],
    ['orc delete service web --cascade orphan', 'The service only: its tasks run on'],
  ],
  epilog:
    '--cascade=foreground (the default) deletes what the object owns first, then the object; background the other way round; orphan leaves it, and does not wait for it.\n' +
    'Exit codes: 0 gone, 1 failed, 2 wrong usage, 3 not gone within --timeout, 130 interrupted (the deletion goes on).',
  options: (yargs) =>
    dryRunFlag(selectorFlags(fileFlags(yargs)))
      .positional('what', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'KIND NAME… or KIND/NAME…',
      })
      .option('all', {
        type: 'boolean',
        default: false,
        describe: 'All objects of the kind in the namespace',
      })
      .option('cascade', {
        type: 'string',
        choices: ['background', 'foreground', 'orphan'] as const,
        default: 'foreground' as keyof typeof propagation,
        describe: 'What becomes of owned objects',
      })
      .option('ignore-not-found', {
        type: 'boolean',
        default: false,
        describe: 'A missing object is no error',
      })
      .option('wait', { type: 'boolean', default: true, describe: 'Wait until gone; --no-wait does not' })
      .option('timeout', { type: 'string', default: '5m', describe: 'Longest wait' }),

  async run(context, args) {
    const timeoutMs = duration(args.timeout, '--timeout');
    const connection = await context.connect();
    const bySelector = args.selector !== undefined || args.fieldSelector !== undefined || args.all;
    const victims =
      args.filename.length > 0
        ? await fromFiles(context, connection, args.filename, args.recursive)
        : await fromWords(
            connection,
            args.what,
            bySelector,
            joined(args.selector),
            joined(args.fieldSelector),
          );
    if (victims.length === 0) {
      note(context.io, 'No resources found');
      return 0;
    }
    let failed = false;
    const going: GoneTarget[] = [];
    for (const victim of victims) {
      const dry = args.dryRun === 'none' ? '' : ` (${args.dryRun} dry run)`;
      const found = await find(connection, victim, context);
      if (found === undefined) {
        if (args.ignoreNotFound || bySelector) continue;
        note(context.io, `error: ${label(victim.def, victim.name)} not found`);
        failed = true;
        continue;
      }
      if (args.dryRun !== 'client') {
        await connection.client
          .delete(victim.def.kind, victim, {
            propagation: propagation[args.cascade],
            dryRun: args.dryRun === 'server',
            signal: context.signal,
            ...(found.metadata.uid === undefined ? {} : { uid: found.metadata.uid }),
          })
          .catch((error: unknown) => {
            // Gone in the meantime is what was asked for.
            if (!isNotFound(error)) throw error;
          });
      }
      say(context.io, `${label(victim.def, victim.name)} deleted${dry}`);
      going.push({
        ...victim,
        uid: found.metadata.uid ?? '',
        takesTasks: args.cascade !== 'orphan',
      });
    }
    if (!args.wait || args.dryRun !== 'none' || going.length === 0) return failed ? 1 : 0;
    return finish(context, connection, going, timeoutMs, failed);
  },
});

async function finish(
  context: Context,
  { client }: Connection,
  going: readonly GoneTarget[],
  timeoutMs: number,
  failed: boolean,
): Promise<number> {
  const { code, left } = await waitGone(context, client, going, timeoutMs);
  if (code === 130) note(context.io, '\nInterrupted: the deletion continues in the cluster.');
  if (code === 3)
    throw new CliError('not gone within the timeout; the deletion goes on', { exitCode: 3, lines: left });
  return code === 0 && failed ? 1 : code;
}

const find = (
  { client }: Connection,
  { def, namespace, name }: Victim,
  { signal }: Context,
): Promise<Obj | undefined> =>
  client.get(def.kind, { namespace, name }, signal).catch((error: unknown) => {
    if (isNotFound(error)) return undefined;
    throw error;
  });

/** In the reverse of the order in which they are made. */
async function fromFiles(
  { io, signal, flags }: Context,
  { namespace }: Connection,
  paths: readonly string[],
  recursive: boolean,
): Promise<Victim[]> {
  const sources = await readSources(paths, { recursive, stdin: io.stdin, signal });
  const { items, problems } = load(sources, namespace, flags.namespace !== undefined);
  if (problems.length > 0) throw problemsError(problems);
  return items
    .map(({ def, object }) => ({ def, namespace: object.metadata.namespace, name: object.metadata.name }))
    .reverse();
}

async function fromWords(
  { client, namespace }: Connection,
  words: readonly string[],
  bySelector: boolean,
  labelSelector: string | undefined,
  fieldSelector: string | undefined,
): Promise<Victim[]> {
  const selection = select(words);
  if (selection.kind === 'named') {
    if (bySelector) throw usageError('names exclude -l, --field-selector and --all');
    return selection.refs.map(({ def, name }) => ({
      def,
      namespace: scopeOf(def, namespace).namespace,
      name,
    }));
  }
  if (!bySelector) throw usageError('name objects, or say which with -l or --all');
  const victims: Victim[] = [];
  for (const def of selection.defs) {
    const { items } = await client.list(def.kind, {
      ...scopeOf(def, namespace),
      labelSelector,
      fieldSelector,
    });
    victims.push(
      ...items.map(({ metadata }) => ({ def, namespace: metadata.namespace, name: metadata.name })),
    );
  }
  return victims;
}
