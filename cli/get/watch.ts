/** `get -w`: the present, then each change as a line. */
import type { Obj } from '../../api-schemas/index.ts';
import type { KindDef } from '../kinds.ts';
import type { Client, ListOptions, TableColumn, TableRow } from '../../client/index.ts';
import { say, taking, type Io } from '../io.ts';
import { label } from '../kinds.ts';
import { headerOf, keyOfRow, rowOf } from '../output/rows.ts';
import { tableWriter } from '../output/table.ts';
import { toJson, toYaml, withoutManagedFields } from '../output/yaml.ts';
import { rowOptions, type PrintOptions } from './print.ts';

/** Ends when the list's signal is aborted. What was printed is not printed again after a lost connection. */
export async function watchTable(
  io: Io,
  client: Client,
  def: KindDef,
  list: ListOptions,
  options: PrintOptions,
): Promise<void> {
  const writer = tableWriter();
  const format = rowOptions(def, options);
  const printed = new Map<string, string | undefined>();
  let columns: readonly TableColumn[] = [];
  let header = options.headers;
  for await (const { type, table } of client.watchTable(def.kind, list)) {
    if (table.columnDefinitions.length > 0) columns = table.columnDefinitions;
    const fresh = table.rows.filter((row) => type === 'DELETED' || isNew(printed, row));
    for (const row of fresh) {
      if (type === 'DELETED') printed.delete(keyOfRow(row));
      else printed.set(keyOfRow(row), row.object?.metadata.resourceVersion);
    }
    if (fresh.length === 0) continue;
    const rows = fresh.map((row) => rowOf(columns, row, format));
    for (const line of writer.rows(header ? [headerOf(columns, format), ...rows] : rows)) say(io, line);
    header = false;
    await taking(io.stdout);
  }
}

const isNew = (printed: ReadonlyMap<string, string | undefined>, row: TableRow): boolean => {
  const version = row.object?.metadata.resourceVersion;
  return version === undefined || printed.get(keyOfRow(row)) !== version;
};

export async function watchObjects(
  io: Io,
  client: Client,
  def: KindDef,
  list: ListOptions,
  options: PrintOptions,
): Promise<void> {
  const print = (object: Obj): void => {
    const clean = options.managedFields ? object : withoutManagedFields(object);
    if (options.output === 'name') say(io, label(def, object.metadata.name));
    else if (options.output === 'json') io.stdout.write(toJson(clean));
    else io.stdout.write(`---\n${toYaml(clean)}`);
  };
  for await (const event of client.watch(def.kind, list)) {
    if (event.type === 'SYNC') event.items.forEach(print);
    else if (event.type !== 'BOOKMARK') print(event.object);
    await taking(io.stdout);
  }
}
