import { sleep, systemClock } from '../kit/clock.ts';

/** What a member says of its leader. */
export interface LeaderState {
  readonly leader: string;
  readonly raftTerm: string;
}

/** A write that takes longer than this is asked after, this often. */
const patienceMs = 250;

/**
 * Gives up on writes that went to a leader that is gone. A member hands a write to its leader and waits; when the
 * leader has died meanwhile, etcd lets the client wait for its whole time, though a new leader is there after
 * one. Whether the write was made is not known then; who sent it knows how to send it again.
 */
export class LeaderChange {
  readonly #ask: () => Promise<LeaderState>;
  #term: string | undefined;
  #asking: Promise<LeaderState | undefined> | undefined;

  constructor(ask: () => Promise<LeaderState>) {
    this.#ask = ask;
  }

  /** The answer; or rejects when the leader is another one than when this was called. */
  async orLost<R>(answer: Promise<R>, lost: () => Error): Promise<R> {
    const done = new AbortController();
    const settled = answer.finally(() => done.abort(new Error('It was answered')));
    // Known before it matters: a term that is older than it should be costs one repeat.
    const before = this.#term;
    if (before === undefined) void this.#look();
    const gone = this.#gone(before, done.signal).then(
      () => Promise.reject(lost()),
      () => settled,
    );
    return Promise.race([settled, gone]);
  }

  async #gone(before: string | undefined, done: AbortSignal): Promise<void> {
    for (;;) {
      await sleep(systemClock, patienceMs, done);
      const state = await this.#look();
      done.throwIfAborted();
      before ??= state?.raftTerm;
      if (state !== undefined && (state.leader === '0' || state.raftTerm !== before)) return;
    }
  }

  /** All that wait share one question. */
  #look(): Promise<LeaderState | undefined> {
    this.#asking ??= this.#ask()
      .then(
        (state) => {
          this.#term = state.raftTerm;
          return state;
        },
        () => undefined,
      )
      .finally(() => (this.#asking = undefined));
    return this.#asking;
  }
}
