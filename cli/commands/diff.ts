import type { Obj } from '../../api-schemas/index.ts';
import { defineCommand } from '../command.ts';
import { CliError, usageError } from '../errors.ts';
import { fileFlags } from '../flags.ts';
import { say } from '../io.ts';
import { checkAll, problemsError } from '../apply/check.ts';
import { load } from '../manifest/load.ts';
import { readSources } from '../manifest/sources.ts';
import { paletteFor } from '../output/color.ts';
import { unifiedDiff } from '../output/diff.ts';
import { toYaml, withoutManagedFields } from '../output/yaml.ts';

export const command = defineCommand({
  positionals: '[files..]',
  describe: 'Show what `apply` would change.',
  examples: [['orc diff -f stack.yml', 'Lines that would go (-) and come (+)']],
  epilog: 'Exit codes: 0 no difference, 1 differences, 2 and more: failed.',
  options: (yargs) =>
    fileFlags(yargs)
      .positional('files', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'More files, as for -f',
      })
      .option('force-conflicts', {
        type: 'boolean',
        default: false,
        describe: 'As if fields of other managers were taken over',
      }),

  async run({ io, signal, flags, connect }, args) {
    const paths = [...args.filename, ...args.files];
    if (paths.length === 0) throw usageError('name what to compare with -f');
    const { client, namespace } = await connect();
    const sources = await readSources(paths, { recursive: args.recursive, stdin: io.stdin, signal });
    const { items, problems } = load(sources, namespace, flags.namespace !== undefined);
    if (problems.length > 0) throw failure(problemsError(problems));
    const checked = await checkAll(client, items, { force: args.forceConflicts, signal }).catch(
      (error: unknown) => {
        throw error instanceof CliError ? failure(error) : error;
      },
    );
    const palette = paletteFor(io.color);
    let differs = false;
    for (const { item, live, wouldBe } of checked) {
      const lines = unifiedDiff(
        textOf(live),
        textOf(wouldBe ?? item.object),
        [`${item.label} (cluster)`, `${item.label} (manifest)`],
        palette,
      );
      for (const line of lines) say(io, line);
      differs ||= lines.length > 0;
    }
    return differs ? 1 : 0;
  },
});

/** 1 means "differs" here. */
const failure = (error: CliError): CliError =>
  new CliError(error.message, { exitCode: 2, lines: error.lines, cause: error });

/** Without what every write changes. */
function textOf(object: Obj | undefined): string {
  if (object === undefined) return '';
  const { metadata, ...rest } = withoutManagedFields(object);
  const { resourceVersion: _, generation: __, uid: ___, creationTimestamp: ____, ...kept } = metadata;
  return toYaml({ ...rest, metadata: kept, status: undefined });
}
