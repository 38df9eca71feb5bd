import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../../kit/clock.ts';

export interface ReachOptions {
  readonly clock: Clock;
  /** Milliseconds that go on while the wall clock is set. Default: `performance.now`. */
  readonly monotonic?: () => number;
  /** Where the time of the last contact is kept, so that a restart does not grant it anew. */
  readonly dataDir?: string;
}

const noteEveryMs = 1_000;

/**
 * For how long no server has been reached. Counted by the monotonic clock while the process lives; across a restart
 * by the wall clock, from a note that is renewed every second while somebody asks for it. Nothing is flushed: a
 * machine that lost power has no containers left to stop.
 */
export class Reach {
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #file: string | undefined;
  /** On the monotonic clock; undefined while a server is reached. */
  #lostAt: number | undefined;
  #cancel = (): void => undefined;

  constructor({ clock, monotonic = () => performance.now(), dataDir }: ReachOptions) {
    this.#clock = clock;
    this.#now = monotonic;
    this.#file = dataDir === undefined ? undefined : join(dataDir, 'last-contact');
    this.#lostAt = this.#now() - this.#agoAtStart();
  }

  /** 0 while a server is reached. */
  get outMs(): number {
    return this.#lostAt === undefined ? 0 : Math.max(0, this.#now() - this.#lostAt);
  }

  get isReached(): boolean {
    return this.#lostAt === undefined;
  }

  found(): void {
    this.#lostAt = undefined;
  }

  lost(): void {
    this.#lostAt ??= this.#now();
  }

  /** Keeps the note while `isNeeded` says so. */
  keep(isNeeded: () => boolean): void {
    this.#cancel();
    const look = (): void => {
      if (this.#lostAt === undefined && isNeeded()) this.#note();
      this.#cancel = this.#clock.after(noteEveryMs, look);
    };
    look();
  }

  close(): void {
    this.#cancel();
  }

  #note(): void {
    if (this.#file === undefined) return;
    try {
      writeFileSync(this.#file, String(this.#clock.now()), { mode: 0o600 });
    } catch {
      // On a full disk the old note stays: after a restart tasks are stopped sooner, not later.
    }
  }

  #agoAtStart(): number {
    if (this.#file === undefined) return 0;
    try {
      const at = Number(readFileSync(this.#file, 'utf8'));
      return at > 0 ? Math.max(0, this.#clock.now() - at) : 0;
    } catch {
      return 0;
    }
  }
}
