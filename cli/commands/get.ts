import type { KindName, Obj } from '../../api-schemas/index.ts';
import type { KindDef } from '../kinds.ts';
import type { ListOptions } from '../../client/index.ts';
import { defineCommand, type Context } from '../command.ts';
import type { Connection } from '../connection.ts';
import { usageError } from '../errors.ts';
import { allNamespacesFlag, joined, selectorFlags, single } from '../flags.ts';
import { note } from '../io.ts';
import { scopeOf, select, type NamedRef, type Selection } from '../kinds.ts';
import { paletteFor } from '../output/color.ts';
import { renderError } from '../output/errors.ts';
import { printObjects, printTables, type Answer, type PrintOptions } from '../get/print.ts';
import { checkSortPath } from '../get/sort.ts';
import { watchObjects, watchTables } from '../get/watch.ts';

const outputs = ['wide', 'yaml', 'json', 'name'] as const;

export const command = defineCommand({
  positionals: '<what..>',
  describe: 'Show objects: a kind, several kinds, or named objects.',
  examples: [
    ['orc get services', 'All services of the namespace'],
    ['orc get services,tasks -o wide', 'Two kinds, with more columns'],
    ['orc get task/web-1-x2f5k -o yaml', 'One object, whole'],
    ['orc get tasks -l orc.dev/service=web -w', 'Tasks of a service, and what happens to them'],
    ['orc get services,tasks -w', 'Two kinds, and what happens to both'],
    ['orc get all -A', 'Everything, in all namespaces'],
  ],
  epilog: '`orc api-resources` lists the kinds and their short names.',
  options: (yargs) =>
    allNamespacesFlag(selectorFlags(yargs))
      .positional('what', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'KIND [NAME…], KIND/NAME…, KIND,KIND or all',
      })
      .option('output', { alias: 'o', type: 'string', choices: outputs, describe: 'How to print' })
      .option('watch', { alias: 'w', type: 'boolean', default: false, describe: 'Go on showing changes' })
      .option('sort-by', { type: 'string', describe: 'Field to sort by, e.g. .metadata.creationTimestamp' })
      .option('headers', {
        type: 'boolean',
        default: true,
        describe: 'Print column names; --no-headers leaves them out',
      })
      .option('show-labels', { type: 'boolean', default: false, describe: 'Add a column with all labels' })
      .option('show-managed-fields', {
        type: 'boolean',
        default: false,
        describe: 'Keep metadata.managedFields in YAML and JSON',
      })
      .option('ignore-not-found', {
        type: 'boolean',
        default: false,
        describe: 'A missing object is no error',
      }),

  async run(context, args) {
    const selection = select(args.what);
    const sortBy = single(args.sortBy, '--sort-by');
    if (sortBy !== undefined) {
      if (args.watch) throw usageError('--sort-by and --watch exclude each other');
      checkSortPath(selection.kind === 'named' ? selection.refs.map((r) => r.def) : selection.defs, sortBy);
    }
    const selects = args.selector !== undefined || args.fieldSelector !== undefined || args.allNamespaces;
    if (selection.kind === 'named' && selects) throw usageError('names exclude -l, --field-selector and -A');
    const connection = await context.connect();
    const list: ListOptions = {
      labelSelector: joined(args.selector),
      fieldSelector: joined(args.fieldSelector),
      signal: context.signal,
    };
    const options: PrintOptions = {
      output: args.output,
      headers: args.headers,
      showLabels: args.showLabels,
      sortBy,
      managedFields: args.showManagedFields,
      allNamespaces: args.allNamespaces,
      grouped: selection.grouped,
      isList: selection.kind === 'all-of' || selection.refs.length > 1,
    };
    if (args.watch) return watch(context, connection, selection, list, options);
    if (selection.kind === 'named') {
      return getNamed(context, connection, selection.refs, options, args.ignoreNotFound);
    }
    const answers: Answer[] = [];
    for (const def of selection.defs) {
      answers.push(
        await read(connection, def, { ...list, ...namespaceOf(connection, def, options) }, options),
      );
    }
    return print(context, connection, answers, options);
  },
});

const isTable = (options: PrintOptions): boolean => options.output === undefined || options.output === 'wide';
const namespaceOf = (
  { namespace }: Connection,
  def: KindDef,
  { allNamespaces }: PrintOptions,
): { namespace?: string } => (allNamespaces ? {} : scopeOf(def, namespace));

async function read(
  { client }: Connection,
  def: KindDef,
  list: ListOptions & { readonly name?: string },
  options: PrintOptions,
): Promise<Answer> {
  const kind: KindName = def.kind;
  if (isTable(options)) {
    const table = await client.table(kind, {
      ...list,
      ...(options.sortBy === undefined ? {} : { includeObject: 'Object' }),
    });
    return { def, table };
  }
  if (list.name !== undefined)
    return { def, objects: [await client.get(kind, { ...list, name: list.name }, list.signal)] };
  return { def, objects: (await client.list(kind, list)).items as readonly Obj[] };
}

function print(
  { io }: Context,
  { namespace }: Connection,
  answers: readonly Answer[],
  options: PrintOptions,
): number {
  if (!isTable(options)) return printObjects(io, answers, options);
  if (!printTables(io, answers, options)) {
    const scoped = answers.some((a) => a.def.namespaced) && !options.allNamespaces;
    note(io, scoped ? `No resources found in ${namespace} namespace.` : 'No resources found');
  }
  return 0;
}

/** Prints what is there even when some names are not. */
async function getNamed(
  context: Context,
  connection: Connection,
  refs: readonly NamedRef[],
  options: PrintOptions,
  ignoreNotFound: boolean,
): Promise<number> {
  const answers: Answer[] = [];
  const errors: unknown[] = [];
  for (const { def, name } of refs) {
    try {
      answers.push(
        await read(
          connection,
          def,
          { ...scopeOf(def, connection.namespace), name, signal: context.signal },
          options,
        ),
      );
    } catch (error) {
      if ((error as { reason?: string }).reason !== 'NotFound') throw error;
      if (!ignoreNotFound) errors.push(error);
    }
  }
  if (answers.length > 0) print(context, connection, answers, options);
  const palette = paletteFor(context.io.color && context.io.stderrTty);
  for (const error of errors) for (const line of renderError(error, palette)) note(context.io, line);
  return errors.length > 0 ? 1 : 0;
}

/** Follows until interrupted. */
async function watch(
  { io, signal }: Context,
  connection: Connection,
  selection: Selection,
  { signal: _, ...list }: ListOptions,
  options: PrintOptions,
): Promise<number> {
  const { client, namespace } = connection;
  const sources =
    selection.kind === 'all-of'
      ? selection.defs.map((def) => ({ def, list: { ...list, ...namespaceOf(connection, def, options) } }))
      : selection.refs.map(({ def, name }) => ({
          def,
          list: { ...scopeOf(def, namespace), fieldSelector: `metadata.name=${name}` },
        }));
  // A name that is not there is an error before it is a wait.
  if (selection.kind === 'named') {
    for (const { def, name } of selection.refs)
      await client.get(def.kind, { ...scopeOf(def, namespace), name }, signal);
  }
  const follow = isTable(options) ? watchTables : watchObjects;
  await follow(io, client, sources, { ...options, signal });
  signal.throwIfAborted();
  return 0;
}
