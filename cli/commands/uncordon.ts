import { defineCommand } from '../command.ts';
import { availabilityCommand } from '../nodes.ts';

export const command = defineCommand(
  availabilityCommand('active', 'uncordoned', {
    describe: 'Let a node take tasks again, after cordon or drain.',
    examples: [['orc uncordon node-b', 'node-b takes tasks again']],
  }),
);
