import { defineCommand } from '../command.ts';
import { say } from '../io.ts';
import { setAvailability } from '../nodes.ts';

export const command = defineCommand({
  positionals: '<nodes..>',
  describe: 'Let a node take tasks again, after cordon or drain.',
  examples: [['orc uncordon node-b', 'node-b takes tasks again']],
  options: (yargs) =>
    yargs.positional('nodes', {
      type: 'string',
      array: true,
      demandOption: true,
      describe: 'Names of nodes',
    }),

  async run(context, { nodes }) {
    const { client } = await context.connect();
    for (const name of nodes.map((n) => n.replace(/^nodes?\//, ''))) {
      const changed = await setAvailability(client, name, 'active', context.signal);
      say(context.io, `node/${name} ${changed ? '' : 'already '}uncordoned`);
    }
  },
});
