import type { AssignmentSet, Endpoints, Obj, Revision, Task, ToAgent } from '../../api-schemas/index.ts';

type Frame = Extract<ToAgent, { type: 'assignments' }>;

const keyOf = ({ metadata }: Obj): string => `${metadata.namespace ?? ''}/${metadata.name}`;

function merge<T extends Obj>(
  known: Map<string, T>,
  changed: readonly T[],
  removed: readonly string[],
): void {
  for (const key of removed) known.delete(key);
  for (const object of changed) known.set(keyOf(object), object);
}

/** The node's assignments as its server last said: a full set, and what changed since. */
export class Assignments {
  #seq: number | undefined;
  readonly #tasks = new Map<string, Task>();
  readonly #revisions = new Map<string, Revision>();
  readonly #endpoints = new Map<string, Endpoints>();

  /** False: a frame is missing in between, and nothing was changed. */
  apply(frame: Frame): boolean {
    if (frame.full) {
      for (const known of [this.#tasks, this.#revisions, this.#endpoints]) known.clear();
    } else if (this.#seq === undefined || frame.seq !== this.#seq + 1) return false;
    this.#seq = frame.seq;
    const { tasks, revisions, endpoints } = frame.full
      ? { tasks: [], revisions: [], endpoints: [] }
      : frame.remove;
    merge(this.#tasks, frame.set.tasks, tasks);
    merge(this.#revisions, frame.set.revisions, revisions);
    merge(this.#endpoints, frame.set.endpoints, endpoints);
    return true;
  }

  /** The complete set; undefined before the first full frame. */
  get current(): AssignmentSet | undefined {
    if (this.#seq === undefined) return undefined;
    return {
      tasks: [...this.#tasks.values()],
      revisions: [...this.#revisions.values()],
      endpoints: [...this.#endpoints.values()],
    };
  }
}
