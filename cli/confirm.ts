import { createInterface } from 'node:readline';
import type { Io } from './io.ts';

/** Whether there is somebody to ask. */
export const canAsk = ({ stdin, stdoutTty }: Io): boolean => stdoutTty && stdin.isTTY === true;

/** Asks on stderr; only `y` and `yes` are consent. The end of the input, or an interruption, is none. */
export function confirm(io: Io, question: string, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  const lines = createInterface({ input: io.stdin, output: io.stderr });
  return new Promise((resolve) => {
    const end = (answer: boolean): void => {
      signal.removeEventListener('abort', onAbort);
      resolve(answer);
      lines.close();
    };
    const onAbort = (): void => end(false);
    signal.addEventListener('abort', onAbort, { once: true });
    lines.once('close', () => end(false));
    lines.once('SIGINT', () => end(false));
    lines.question(`${question} [y/N] `, (answer) => end(/^y(es)?$/i.test(answer.trim())));
  });
}
