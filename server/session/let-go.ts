import type { Clock } from '../../kit/clock.ts';

/** So many agents dial another server at a time: all at once would keep each other waiting there. */
const atOnce = 32;
/** Those who take longer do not hold up the others. */
const nextMs = 500;
const limitMs = 5_000;

export interface LetGoOptions {
  readonly clock: Clock;
  /** Nodes whose sessions are still here. */
  readonly staying: () => readonly string[];
  readonly ask: (node: string) => void;
}

export interface LettingGo {
  /** To be called after each session that has ended. */
  left(): void;
  /** All have left, or the time is up. */
  readonly done: Promise<void>;
}

/** Asks all agents to begin sessions elsewhere, some at a time, while the sessions here go on. */
export function letGo({ clock, staying, ask }: LetGoOptions): LettingGo {
  const waiting = [...staying()];
  let resolve = (): void => undefined;
  const done = new Promise<void>((settle) => (resolve = settle));
  let cancelNext = (): void => undefined;
  const askSome = (count: number): void => waiting.splice(0, count).forEach(ask);
  const later = (): void => {
    cancelNext = clock.after(nextMs, () => {
      askSome(atOnce);
      later();
    });
  };
  const end = (): void => {
    cancelNext();
    cancelLimit();
    resolve();
  };
  const cancelLimit = clock.after(limitMs, end);
  askSome(atOnce);
  later();
  if (staying().length === 0) end();
  return {
    left() {
      if (staying().length === 0) end();
      else askSome(1);
    },
    done,
  };
}
