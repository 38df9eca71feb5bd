import { defineCommand } from '../command.ts';
import { say } from '../io.ts';
import { allKinds } from '../kinds.ts';
import { renderTable } from '../output/table.ts';

export const command = defineCommand({
  describe: 'List the kinds of objects, and how to name them.',
  examples: [['orc api-resources', 'All kinds']],
  options: (yargs) =>
    yargs.option('headers', {
      type: 'boolean',
      default: true,
      describe: 'Print column names; --no-headers leaves them out',
    }),

  run({ io }, { headers }) {
    const rows = allKinds.map((def) => [
      def.plural,
      def.shortNames.join(','),
      def.apiVersion,
      String(def.namespaced),
      def.kind,
    ]);
    const header = headers ? ['NAME', 'SHORTNAMES', 'APIVERSION', 'NAMESPACED', 'KIND'] : undefined;
    for (const line of renderTable(header, rows)) say(io, line);
    return Promise.resolve();
  },
});
