/** A wait on informers: shows lines while it lasts, ends when nothing is left, the time is up, or the user stops it. */
import type { Context, ExitCode } from '../command.ts';
import { say } from '../io.ts';
import { truncate } from '../output/text.ts';
import { redraw } from '../output/redraw.ts';

export interface LiveState {
  readonly done: boolean;
  /** The block as it stands; outside of a terminal only lines that are new are printed. */
  readonly lines: readonly string[];
}

export interface Live {
  /** Looks again, soon. */
  wake(): void;
  /** 0: done, 3: time is up, 130: interrupted. */
  readonly ended: Promise<ExitCode>;
}

const settleMs = 80;

/** `state` is called after each `wake`, at most every 80 ms, and each second in a terminal. */
export function live(context: Context, timeoutMs: number, state: () => LiveState): Live {
  const { io, clock, signal } = context;
  const terminal = io.stdoutTty ? redraw(io.stdout) : undefined;
  const printed = new Set<string>();
  let scheduled: (() => void) | undefined;
  let finish: (code: ExitCode) => void = () => undefined;
  const ended = new Promise<ExitCode>((resolve) => {
    finish = (code) => {
      scheduled?.();
      cancelTimeout();
      signal.removeEventListener('abort', onAbort);
      terminal?.end();
      resolve(code);
    };
  });
  const show = (lines: readonly string[]): void => {
    if (terminal !== undefined)
      return terminal.draw(lines.slice(0, io.rows() - 1).map((line) => truncate(line, io.columns())));
    for (const line of lines) if (!printed.has(line)) say(io, line);
    lines.forEach((line) => printed.add(line));
  };
  const look = (): void => {
    const { done, lines } = state();
    show(lines);
    if (done) finish(0);
    else scheduled = clock.after(1000, look);
  };
  const wake = (): void => {
    scheduled?.();
    scheduled = clock.after(settleMs, look);
  };
  const onAbort = (): void => finish(130);
  const cancelTimeout = clock.after(timeoutMs, () => finish(3));
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return { wake, ended };
}
