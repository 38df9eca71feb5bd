import type { TaskEvent, TaskReport, ToServer } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';

/** After a frame, further reports wait this long, so that a burst becomes few frames. */
const quietMs = 5;
const reportsPerFrame = 1_000;
/** While there is no session, older events make room for newer ones. */
const eventLimit = 1_000;

type Report = Extract<ToServer, { type: 'report' }>;

/**
 * What is to be told to the server. Reports are kept, the latest of each task, until the server no longer has
 * the task assigned here: a new session starts with all of them, since the old one may have lost some.
 */
export class Outbox {
  readonly #clock: Clock;
  /** Latest report of each task, by uid. */
  readonly #latest = new Map<string, TaskReport>();
  readonly #unsent = new Set<string>();
  #events: TaskEvent[] = [];
  #send: ((frame: Report) => void) | undefined;
  #sentAt = 0;
  #scheduled = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  report(report: TaskReport): void {
    const gone = this.#latest.get(report.uid)?.gone === true;
    this.#latest.set(report.uid, gone ? { ...report, gone } : report);
    this.#unsent.add(report.uid);
    this.#wake();
  }

  event(event: TaskEvent): void {
    this.#events.push(event);
    if (this.#events.length > eventLimit) this.#events.shift();
    this.#wake();
  }

  /** A session is ready for reports: all are sent, then each new one. `send` must not throw. */
  open(send: (frame: Report) => void): void {
    this.#send = send;
    for (const uid of this.#latest.keys()) this.#unsent.add(uid);
    this.#flush();
  }

  close(): void {
    this.#send = undefined;
  }

  /** Drops reports of tasks that are no longer assigned here. */
  keep(uids: ReadonlySet<string>): void {
    for (const uid of this.#latest.keys()) {
      if (uids.has(uid)) continue;
      this.#latest.delete(uid);
      this.#unsent.delete(uid);
    }
  }

  #wake(): void {
    if (this.#send === undefined || this.#scheduled) return;
    this.#scheduled = true;
    const run = (): void => {
      this.#scheduled = false;
      this.#flush();
    };
    // The clock may have been set back since.
    const wait = Math.min(quietMs, this.#sentAt + quietMs - this.#clock.now());
    if (wait > 0) this.#clock.after(wait, run);
    else queueMicrotask(run);
  }

  #flush(): void {
    const send = this.#send;
    if (send === undefined) return;
    while (this.#unsent.size > 0 || this.#events.length > 0) {
      const tasks: TaskReport[] = [];
      for (const uid of this.#unsent) {
        if (tasks.length >= reportsPerFrame) break;
        this.#unsent.delete(uid);
        const report = this.#latest.get(uid);
        if (report !== undefined) tasks.push(report);
      }
      const events = this.#events;
      this.#events = [];
      this.#sentAt = this.#clock.now();
      send({ type: 'report', tasks, ...(events.length === 0 ? {} : { events }) });
    }
  }
}
