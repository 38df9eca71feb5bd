import { defineCommand } from '../command.ts';
import { say } from '../io.ts';
import { setAvailability } from '../nodes.ts';

export const command = defineCommand({
  positionals: '<nodes..>',
  describe: 'Take no new tasks on a node; what runs there stays.',
  examples: [['orc cordon node-b', 'No new tasks on node-b']],
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
      const changed = await setAvailability(client, name, 'pause', context.signal);
      say(context.io, `node/${name} ${changed ? '' : 'already '}cordoned`);
    }
  },
});
