/** What a pass may end with, besides success and an ordinary throw (which is retried with back-off). */

/** How the queue goes on after a pass that did its work. */
export interface Outcome {
  /** Look again after this long even if nothing changes. */
  readonly requeueAfterMs?: number;
  /** Do not start the next pass for this key earlier, however many changes arrive: large objects are batched. */
  readonly cooldownMs?: number;
}

/** Not a failure: what the pass needs is not there yet. Looked at again after `afterMs`, or sooner when it changes. */
export class Waiting extends Error {
  readonly reason: string;
  readonly afterMs: number;

  constructor(reason: string, afterMs: number, message = reason) {
    super(message);
    this.name = 'Waiting';
    this.reason = reason;
    this.afterMs = afterMs;
  }
}

/** A person must act: not tried again until the object changes. */
export class Terminal extends Error {
  readonly reason: string;

  constructor(reason: string, message = reason, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'Terminal';
    this.reason = reason;
  }
}
