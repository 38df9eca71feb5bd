import { defineCommand } from '../command.ts';
import { markCommand } from '../marks.ts';

export const command = defineCommand(
  markCommand('annotations', {
    describe: 'Set or remove annotations of objects.',
    examples: [
      ['orc annotate service/web owner=ann@example.org', 'Set an annotation'],
      ['orc annotate service/web owner-', 'Remove it'],
    ],
  }),
);
