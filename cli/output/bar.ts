/** A task's way to Running, as a bar and a word. */
import { taskStates, type TaskState } from '../../api-schemas/index.ts';
import type { Palette } from './color.ts';

const steps = taskStates.indexOf('Running') + 1;

/** `[=====>   ]`: one step for each state up to Running. Finished and failed tasks have no bar. */
export function bar(state: TaskState | undefined): string {
  const done = state === undefined ? 0 : taskStates.indexOf(state) + 1;
  if (done > steps) return ' '.repeat(steps + 2);
  const head = done > 0 && done < steps ? '>' : '';
  return `[${'='.repeat(Math.max(0, done - head.length))}${head}${' '.repeat(steps - done)}]`;
}

/** Lower case and coloured by what it means for the user. */
export function stateWord(state: TaskState | undefined, palette: Palette): string {
  if (state === undefined) return palette.dim('waiting');
  const word = state.toLowerCase();
  switch (state) {
    case 'Running':
    case 'Complete':
      return palette.green(word);
    case 'Failed':
    case 'Rejected':
    case 'Orphaned':
      return palette.red(word);
    case 'Shutdown':
      return palette.dim(word);
    case 'New':
    case 'Pending':
    case 'Assigned':
    case 'Accepted':
    case 'Preparing':
    case 'Ready':
    case 'Starting':
      return palette.yellow(word);
  }
}
