/** Log lines as a user sees them: with their task's name and time, as fast as they are read and no faster. */
import type { Task } from '../../api-schemas/index.ts';
import { say, taking, type Io } from '../io.ts';
import { stableColor } from '../output/color.ts';
import { pad } from '../output/text.ts';
import type { LogLine } from './lines.ts';

export interface PrintOptions {
  readonly prefix: boolean;
  readonly color: boolean;
  readonly timestamps: boolean;
}

export interface Printer {
  /** Makes room for the task's name, so that lines stay aligned. */
  know(task: Task): void;
  /** Resolves when there is room for the next line. */
  line(task: Task, line: LogLine): Promise<void>;
}

export function printer(io: Io, options: PrintOptions): Printer {
  let names = 0;
  return {
    know(task) {
      names = Math.max(names, task.metadata.name.length);
    },
    line({ metadata: { name } }, { time, text }) {
      const paint = options.color && io.color ? stableColor(name) : (plain: string) => plain;
      const prefix = options.prefix ? `${paint(`${pad(name, names)} |`)} ` : '';
      say(io, `${prefix}${options.timestamps && time !== '' ? `${time} ` : ''}${text}`);
      return taking(io.stdout);
    },
  };
}
