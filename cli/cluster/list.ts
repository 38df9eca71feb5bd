/** `orc node ls`. */
import type { Table } from '../../client/index.ts';
import type { Context } from '../command.ts';
import { note } from '../io.ts';
import { printTables, type PrintOptions } from '../get/print.ts';
import { resolveKind } from '../kinds.ts';
import { managerStates, seeManagers, type ManagerState } from './managers.ts';

export async function listNodes(context: Context, headers: boolean): Promise<number> {
  const { client } = await context.connect();
  const [table, seen] = await Promise.all([
    client.table('Node', { signal: context.signal }),
    seeManagers(client, context.signal),
  ]);
  const answer = { def: resolveKind('node'), table: withManagers(table, managerStates(seen)) };
  if (!printTables(context.io, [answer], { ...options, headers })) note(context.io, 'No resources found');
  return 0;
}

/** As `get nodes -o wide`, with a column that says which of the managers leads, and which are there. */
export function withManagers(table: Table, states: ReadonlyMap<string, ManagerState>): Table {
  const at = table.columnDefinitions.findIndex(({ name }) => name === 'Role') + 1;
  const column = { name: 'Manager', type: 'string', format: '', priority: 0 };
  return {
    ...table,
    columnDefinitions: table.columnDefinitions.toSpliced(at, 0, column),
    rows: table.rows.map((row) => ({
      ...row,
      cells: row.cells.toSpliced(at, 0, states.get(String(row.cells[0] as string)) ?? '-'),
    })),
  };
}

const options: Omit<PrintOptions, 'headers'> = {
  output: 'wide',
  showLabels: false,
  sortBy: undefined,
  managedFields: false,
  allNamespaces: false,
  grouped: false,
  isList: true,
};
