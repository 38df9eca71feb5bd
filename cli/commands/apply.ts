import { defineCommand, type Context, type ExitCode } from '../command.ts';
import type { Connection } from '../connection.ts';
import { CliError, usageError } from '../errors.ts';
import { dryRunFlag, duration, fileFlags, waitFlags } from '../flags.ts';
import { note, say } from '../io.ts';
import { applyAll, verbOfDryRun } from '../apply/apply.ts';
import { checkAll, problemsError } from '../apply/check.ts';
import { followFiles } from '../apply/follow.ts';
import { scaleWarning } from '../apply/take-over.ts';
import { load, type Item } from '../manifest/load.ts';
import { readSources } from '../manifest/sources.ts';
import { isWaitable, targetOf } from '../wait/target.ts';
import { waitForTargets } from '../wait/wait.ts';

export const command = defineCommand({
  positionals: '[files..]',
  describe: 'Make the cluster as the manifests say.',
  examples: [
    ['orc apply -f stack.yml', 'Apply a file, and wait until it runs'],
    ['orc apply -f manifests/ -R', 'All manifests of a directory and its subdirectories'],
    ['orc apply -f manifests/ --watch', 'Apply again whenever a file changes'],
    ['orc apply -f https://example.org/stack.yml --dry-run=server', 'What would change'],
    ['cat stack.yml | orc apply -f - --no-wait', 'From standard input, without waiting'],
  ],
  epilog:
    'All documents are checked first, here and by the server: if one is invalid, nothing is applied.\n' +
    'Exit codes: 0 applied (and converged, when waiting), 1 failed, 2 wrong usage, 3 not converged within --timeout, 130 interrupted (the work goes on).',
  options: (yargs) =>
    dryRunFlag(waitFlags(fileFlags(yargs)))
      .positional('files', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'More files, as for -f',
      })
      .option('force-conflicts', {
        type: 'boolean',
        default: false,
        describe: 'Take over fields that other managers set',
      })
      .option('watch', {
        alias: 'w',
        type: 'boolean',
        default: false,
        describe: 'Apply again when files change, until interrupted',
      })
      .option('prune', {
        type: 'boolean',
        default: false,
        describe: 'With --watch: delete what left the files',
      }),

  async run(context, args) {
    const paths = [...args.filename, ...args.files];
    if (paths.length === 0) throw usageError('name what to apply with -f', 'e.g. `orc apply -f stack.yml`');
    if (args.prune && !args.watch)
      throw usageError('--prune goes with --watch only', '`orc delete -f` deletes what files name');
    const options: Options = {
      dryRun: args.dryRun,
      force: args.forceConflicts,
      timeoutMs: duration(args.timeout, '--timeout'),
      wait: args.wait ?? context.io.stdoutTty,
      recursive: args.recursive,
      paths,
    };
    if (args.watch) {
      if (args.dryRun !== 'none') throw usageError('--watch and --dry-run exclude each other');
      return followFiles(context, await context.connect(), { ...options, prune: args.prune });
    }
    return applyOnce(context, options);
  },
});

interface Options {
  readonly paths: readonly string[];
  readonly recursive: boolean;
  readonly dryRun: 'none' | 'client' | 'server';
  readonly force: boolean;
  readonly wait: boolean;
  readonly timeoutMs: number;
}

async function applyOnce(context: Context, options: Options): Promise<ExitCode> {
  const { io, signal, flags } = context;
  const sources = await readSources(options.paths, { recursive: options.recursive, stdin: io.stdin, signal });
  // Checking here needs no server, so it works without a context too.
  const connection = options.dryRun === 'client' ? undefined : await context.connect();
  const namespace = connection?.namespace ?? flags.namespace ?? 'default';
  const { items, problems, empty } = load(sources, namespace, flags.namespace !== undefined);
  if (problems.length > 0) throw problemsError(problems);
  if (items.length === 0) throw new CliError(`no objects in ${sources.map((s) => s.name).join(', ')}`);
  for (const name of empty) note(io, `warning: ${name} holds no object`);
  if (connection === undefined) {
    for (const item of items) say(io, `${item.label} valid (client dry run)`);
    return 0;
  }
  return applyItems(context, connection, items, options);
}

async function applyItems(
  context: Context,
  connection: Connection,
  items: readonly Item[],
  options: Options,
): Promise<ExitCode> {
  const { io, signal } = context;
  const checked = await checkAll(connection.client, items, { force: options.force, signal });
  if (options.dryRun === 'server') {
    for (const { item, live, wouldBe, takesScale } of checked) {
      say(io, `${item.label} ${verbOfDryRun(live, wouldBe)} (server dry run)`);
      if (takesScale && wouldBe !== undefined) note(io, scaleWarning(item, live, wouldBe));
    }
    return 0;
  }
  const applied = await applyAll(context, connection, checked, options);
  if (!options.wait || options.timeoutMs === 0) return 0;
  const targets = applied
    .map((a) => a.object)
    .filter(isWaitable)
    .map((object) => targetOf(object, connection.namespace));
  return waitForTargets(context, connection, targets, {
    timeoutMs: options.timeoutMs,
    what: applied[0]?.item.label ?? '',
  });
}
