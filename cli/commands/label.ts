import { defineCommand } from '../command.ts';
import { markCommand } from '../marks.ts';

export const command = defineCommand(
  markCommand('labels', {
    describe: 'Set or remove labels of objects.',
    examples: [
      ['orc label node node-b zone=eu', 'Set a label'],
      ['orc label service/web tier-', 'Remove a label'],
    ],
  }),
);
