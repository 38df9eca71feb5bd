import type { LogLine } from './lines.ts';

/** How far back a resumed log begins: a container's two streams do not come in the order of their times. */
const overlapMs = 1000;
/** Lines remembered for it. Of a log that is faster than this, a resumption may show a line twice, and loses none. */
const maxRemembered = 20_000;

/**
 * What has been shown of one task's log, so that a stream that broke goes on without a gap and without repeats.
 * Within one stream nothing is skipped, in whatever order the lines come.
 */
export class Overlap {
  readonly #shown = new Set<string>();
  #first = '';
  #last = '';
  #isResumed = false;

  /** Where to ask the engine to begin; undefined when nothing was shown yet. */
  resume(): string | undefined {
    if (this.#last === '') return undefined;
    this.#isResumed = true;
    return new Date(Math.max(Date.parse(this.#first), Date.parse(this.#last) - overlapMs)).toISOString();
  }

  /** Whether the line is new, and to be shown. */
  isNew({ time, text }: LogLine): boolean {
    if (time === '') return true;
    const key = `${time} ${text}`;
    if (this.#isResumed && (time < this.#first || this.#shown.has(key))) return false;
    if (this.#first === '' || time < this.#first) this.#first = time;
    if (time > this.#last) this.#last = time;
    this.#shown.add(key);
    if (this.#shown.size > maxRemembered) {
      const [oldest = ''] = this.#shown;
      this.#shown.delete(oldest);
    }
    return true;
  }
}
