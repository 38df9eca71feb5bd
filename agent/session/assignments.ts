import {
  noAssignments,
  peersKey,
  type AssignmentSet,
  type Endpoints,
  type Network,
  type NetworkPeers,
  type Obj,
  type Revision,
  type Task,
  type ToAgent,
} from '../../api-schemas/index.ts';

type Frame = Extract<ToAgent, { type: 'assignments' }>;

const objectKey = ({ metadata }: Obj): string => `${metadata.namespace ?? ''}/${metadata.name}`;

function merge<T>(
  known: Map<string, T>,
  changed: readonly T[],
  removed: readonly string[],
  keyOf: (object: T) => string,
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
  readonly #networks = new Map<string, Network>();
  readonly #peers = new Map<string, NetworkPeers>();

  /** False: a frame is missing in between, and nothing was changed. */
  apply(frame: Frame): boolean {
    if (frame.full) {
      for (const known of [this.#tasks, this.#revisions, this.#endpoints, this.#networks, this.#peers])
        known.clear();
    } else if (this.#seq === undefined || frame.seq !== this.#seq + 1) return false;
    this.#seq = frame.seq;
    const { set } = frame;
    const remove = frame.full ? noAssignments : frame.remove;
    merge(this.#tasks, set.tasks, remove.tasks, objectKey);
    merge(this.#revisions, set.revisions, remove.revisions, objectKey);
    merge(this.#endpoints, set.endpoints, remove.endpoints, objectKey);
    merge(this.#networks, set.networks, remove.networks, objectKey);
    merge(this.#peers, set.peers, remove.peers, peersKey);
    return true;
  }

  /** The complete set; undefined before the first full frame. */
  get current(): AssignmentSet | undefined {
    if (this.#seq === undefined) return undefined;
    return {
      tasks: [...this.#tasks.values()],
      revisions: [...this.#revisions.values()],
      endpoints: [...this.#endpoints.values()],
      networks: [...this.#networks.values()],
      peers: [...this.#peers.values()],
    };
  }
}
