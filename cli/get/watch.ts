/** `get -w`: the present, then each change as a line, of one kind or object or of several. */
import type { Obj } from '../../api-schemas/index.ts';
import type { KindDef } from '../kinds.ts';
import type { Client, ListOptions, TableColumn, TableEvent, TableRow } from '../../client/index.ts';
import { say, taking, type Io } from '../io.ts';
import { label } from '../kinds.ts';
import { headerOf, keyOfRow, rowOf } from '../output/rows.ts';
import { tableWriter, type TableWriter } from '../output/table.ts';
import { toJson, toYaml, withoutManagedFields } from '../output/yaml.ts';
import { rowOptions, type PrintOptions } from './print.ts';

/** A kind, or one object of it. */
export interface WatchSource {
  readonly def: KindDef;
  readonly list: Omit<ListOptions, 'signal'>;
}

export interface WatchOptions extends PrintOptions {
  readonly signal: AbortSignal;
}

/**
 * Ends when aborted. The present comes in the order of the sources; of changes, each that is of another kind than
 * the line before begins a table again. What was printed is not printed again after a lost connection.
 */
export async function watchTables(
  io: Io,
  client: Client,
  sources: readonly WatchSource[],
  options: WatchOptions,
): Promise<void> {
  const tables = new Map(sources.map(({ def }) => [def, changingTable(def, options)]));
  let last: KindDef | undefined;
  await followAll(
    sources,
    options.signal,
    ({ def, list }, signal) => client.watchTable(def.kind, { ...list, signal }),
    ({ def }, event) => {
      const lines = tables.get(def)?.lines(event, def !== last) ?? [];
      if (lines.length === 0) return Promise.resolve();
      if (last !== undefined && def !== last) say(io);
      last = def;
      for (const line of lines) say(io, line);
      return taking(io.stdout);
    },
  );
}

interface ChangingTable {
  /** The lines that the event adds, under the column names when the table begins (again). */
  lines(event: TableEvent, begins: boolean): readonly string[];
}

function changingTable(def: KindDef, options: PrintOptions): ChangingTable {
  const writer: TableWriter = tableWriter();
  const format = rowOptions(def, options);
  const printed = new Map<string, string | undefined>();
  let columns: readonly TableColumn[] = [];
  return {
    lines({ type, table }, begins) {
      if (table.columnDefinitions.length > 0) columns = table.columnDefinitions;
      const fresh = table.rows.filter((row) => type === 'DELETED' || isNew(printed, row));
      for (const row of fresh) {
        if (type === 'DELETED') printed.delete(keyOfRow(row));
        else printed.set(keyOfRow(row), row.object?.metadata.resourceVersion);
      }
      if (fresh.length === 0) return [];
      const rows = fresh.map((row) => rowOf(columns, row, format));
      return writer.rows(begins && options.headers ? [headerOf(columns, format), ...rows] : rows);
    },
  };
}

const isNew = (printed: ReadonlyMap<string, string | undefined>, row: TableRow): boolean => {
  const version = row.object?.metadata.resourceVersion;
  return version === undefined || printed.get(keyOfRow(row)) !== version;
};

/** Whole objects, as they are now and after each change. Ends when aborted. */
export async function watchObjects(
  io: Io,
  client: Client,
  sources: readonly WatchSource[],
  options: WatchOptions,
): Promise<void> {
  const print = (def: KindDef, object: Obj): void => {
    const clean = options.managedFields ? object : withoutManagedFields(object);
    if (options.output === 'name') say(io, label(def, object.metadata.name));
    else if (options.output === 'json') io.stdout.write(toJson(clean));
    else io.stdout.write(`---\n${toYaml(clean)}`);
  };
  await followAll(
    sources,
    options.signal,
    ({ def, list }, signal) => client.watch(def.kind, { ...list, signal }),
    ({ def }, event) => {
      if (event.type === 'SYNC') event.items.forEach((object) => print(def, object));
      else if (event.type !== 'BOOKMARK') print(def, event.object);
      return taking(io.stdout);
    },
  );
}

/** Shows the first event of each source in their order, then all others as they come. The first failure ends it. */
async function followAll<S, E>(
  sources: readonly S[],
  signal: AbortSignal,
  open: (source: S, signal: AbortSignal) => AsyncGenerator<E>,
  show: (source: S, event: E) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const streams = sources.map((source) => ({ source, events: open(source, either) }));
  try {
    for (const { source, events } of streams) {
      const { value, done } = await events.next();
      if (done !== true) await show(source, value);
    }
    await Promise.all(
      streams.map(async ({ source, events }) => {
        for await (const event of events) await show(source, event);
      }),
    );
  } finally {
    stop.abort();
  }
}
