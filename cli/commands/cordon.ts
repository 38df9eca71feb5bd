import { defineCommand } from '../command.ts';
import { availabilityCommand } from '../nodes.ts';

export const command = defineCommand(
  availabilityCommand('pause', 'cordoned', {
    describe: 'Take no new tasks on a node; what runs there stays.',
    examples: [['orc cordon node-b', 'No new tasks on node-b']],
  }),
);
