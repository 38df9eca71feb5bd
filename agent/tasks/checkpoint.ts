import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { noAssignments, type AssignmentSet } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { TaskRecord } from './record.ts';

/** What the agent needs to go on after its own restart, without a server. */
export interface Checkpoint {
  readonly version: 1;
  readonly set: AssignmentSet;
  /** By task uid. */
  readonly records: Readonly<Record<string, TaskRecord>>;
}

/** Writes are gathered for this long: what a crash in between loses is found again by the containers' labels. */
const gatherMs = 100;

/** Keeps `<dir>/checkpoint.json` (mode 0600), replaced as a whole and flushed to disk. */
export class CheckpointFile {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #cancel: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();
  #next: (() => Checkpoint) | undefined;

  constructor(dir: string, clock: Clock, logger: Logger) {
    this.#path = join(dir, 'checkpoint.json');
    this.#clock = clock;
    this.#logger = logger;
  }

  /** The last checkpoint; undefined when there is none, or none that can be read (which is logged). */
  async read(): Promise<Checkpoint | undefined> {
    try {
      const read = JSON.parse(await readFile(this.#path, 'utf8')) as Checkpoint;
      // An agent from before there were networks wrote none.
      return read.version === 1 ? { ...read, set: { ...noAssignments, ...read.set } } : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#logger.warn({ err: error }, 'the checkpoint cannot be read; waiting for a server instead');
      return undefined;
    }
  }

  /** Writes soon; `make` is called then. */
  save(make: () => Checkpoint): void {
    this.#next = make;
    this.#cancel ??= this.#clock.after(gatherMs, () => void this.flush());
  }

  /** Writes what waits to be written. Never throws: a full disk must not stop containers from being run. */
  flush(): Promise<void> {
    this.#cancel?.();
    this.#cancel = undefined;
    const make = this.#next;
    this.#next = undefined;
    if (make === undefined) return this.#writing;
    this.#writing = this.#writing
      .then(() => this.#write(make()))
      .catch((error: unknown) => {
        this.#logger.error({ err: error }, 'the checkpoint cannot be written'); // prettier-ignore
      });
    return this.#writing;
  }

  async #write(checkpoint: Checkpoint): Promise<void> {
    await mkdir(join(this.#path, '..'), { recursive: true, mode: 0o700 });
    const file = await open(`${this.#path}.new`, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(checkpoint));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(`${this.#path}.new`, this.#path);
  }
}
