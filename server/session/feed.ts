import type { Obj, Revision, Task } from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';
import { Loads } from './loads.ts';
import { NetworkFeed } from './network-feed.ts';
import { endpointsFor } from './views.ts';

/** Objects per delta, so that a big change does not hold up a small one. */
const deltaLimit = 1_000;

export const keyOf = ({ metadata }: Obj): string => `${metadata.namespace ?? ''}/${metadata.name}`;

const splitKey = (key: string): readonly [string, string] => {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
};

/** Field owners are of no use to a node. */
const jsonOf = (object: Obj): string =>
  JSON.stringify({ ...object, metadata: { ...object.metadata, managedFields: undefined } });

const revisionJson = new WeakMap<Revision, string>();

/** A revision goes to many nodes: it is serialised once. */
function jsonOfRevision(revision: Revision): string {
  const known = revisionJson.get(revision);
  if (known !== undefined) return known;
  const json = jsonOf(revision);
  revisionJson.set(revision, json);
  return json;
}

interface Batch {
  readonly tasks: string[];
  readonly revisions: string[];
  readonly endpoints: string[];
  readonly networks: string[];
  readonly peers: string[];
}

interface Sent {
  readonly revision: string;
  /** Keys. */
  readonly networks: readonly string[];
}

const emptyBatch = (): Batch => ({ tasks: [], revisions: [], endpoints: [], networks: [], peers: [] });

/**
 * What one node has been sent, and what it must still be sent. Changes are kept as names only, and read from
 * the cache when a frame is made: a node that is slow to read gets the newest state, and costs no memory.
 */
export class Feed {
  readonly node: string;
  readonly #loads = new Loads();
  readonly #cache: Cache;
  #seq = 0;
  #full = true;
  readonly #dirtyTasks = new Set<string>();
  readonly #dirtyEndpoints = new Set<string>();
  /** Sent tasks and what they need. */
  readonly #tasks = new Map<string, Sent>();
  readonly #networks: NetworkFeed;
  /** Revisions of sent tasks; false: not in the cache yet. */
  readonly #revisions = new Map<string, { users: number; sent: boolean }>();
  /** What was sent of Endpoints objects. */
  readonly #endpoints = new Map<string, string>();

  constructor(node: string, cache: Cache) {
    this.node = node;
    this.#cache = cache;
    this.#networks = new NetworkFeed(node, cache, (network) => {
      for (const object of cache.by('Endpoints', 'network', network)) this.#dirtyEndpoints.add(keyOf(object));
      // One of those that were sent may have left the network since, which the node was not told.
      for (const key of this.#endpoints.keys()) this.#dirtyEndpoints.add(key);
    });
  }

  get dirty(): boolean {
    return this.#full || this.#dirtyTasks.size > 0 || this.#dirtyEndpoints.size > 0 || this.#networks.dirty;
  }

  /** The node says that it has loaded the frame of that number. */
  loaded(seq: number): void {
    this.#loads.loaded(seq);
  }

  /** Whether the node has loaded all Endpoints that it is known now to need; false when `signal` is aborted before. */
  allLoaded(signal: AbortSignal): Promise<boolean> {
    return this.#loads.all(!this.dirty, signal);
  }

  /** The session ended: whoever waits for what is loaded is told. */
  close(): void {
    this.#loads.close();
  }

  markAll(): void {
    this.#full = true;
  }

  markTask(key: string): void {
    this.#dirtyTasks.add(key);
  }

  markEndpoints(key: string): void {
    this.#dirtyEndpoints.add(key);
  }

  markNetwork(key: string): void {
    this.#networks.markNetwork(key);
  }

  /** The node has joined or left the network. */
  markMember(key: string): void {
    this.#networks.markMember(key);
  }

  /** What another node has on a network may have changed. */
  markPeers(network: string, node: string): void {
    this.#networks.markPeers(network, node);
  }

  /** Sends the tasks of a revision again that was not there when they were sent. */
  markRevision(key: string): boolean {
    if (this.#revisions.get(key)?.sent !== false) return false;
    for (const [task, sent] of this.#tasks) if (sent.revision === key) this.#dirtyTasks.add(task);
    return true;
  }

  /** The next frame; undefined when the node has all it needs. The caller must send it. */
  next(): string | undefined {
    const frame = this.#full ? this.#fullFrame() : this.#delta();
    if (!this.dirty) this.#loads.allSent();
    return frame;
  }

  #delta(): string | undefined {
    const set = emptyBatch();
    const remove = emptyBatch();
    const room = (): boolean => sizeOf(set) + sizeOf(remove) < deltaLimit;
    const take = (dirty: Set<string>, visit: (key: string) => void): void => {
      for (const key of dirty) {
        if (!room()) return;
        dirty.delete(key);
        visit(key);
      }
    };
    take(this.#dirtyTasks, (key) => this.#task(key, set, remove));
    this.#networks.takeNetworks({ set, remove });
    take(this.#dirtyEndpoints, (key) => this.#endpointsOf(key, set, remove));
    this.#networks.takePeers({ set, remove }, room);
    if (sizeOf(set) + sizeOf(remove) === 0) return undefined;
    this.#seq += 1;
    if (set.endpoints.length + remove.endpoints.length > 0) this.#loads.sent(this.#seq);
    return `{"type":"assignments","seq":${String(this.#seq)},"full":false,"set":${setJson(set)},"remove":${JSON.stringify(remove)}}`;
  }

  #fullFrame(): string {
    this.#full = false;
    for (const known of [
      this.#dirtyTasks,
      this.#dirtyEndpoints,
      this.#tasks,
      this.#revisions,
      this.#endpoints,
    ])
      known.clear();
    this.#networks.reset();
    const set = emptyBatch();
    const none = emptyBatch();
    for (const task of this.#cache.by('Task', 'node', this.node)) this.#task(keyOf(task), set, none);
    this.#networks.takeNetworks({ set, remove: none });
    for (const object of this.#cache.list('Endpoints')) this.#endpointsOf(keyOf(object), set, none);
    this.#dirtyEndpoints.clear();
    this.#networks.takePeers({ set, remove: none }, () => true);
    this.#seq += 1;
    this.#loads.sent(this.#seq);
    return `{"type":"assignments","seq":${String(this.#seq)},"full":true,"set":${setJson(set)}}`;
  }

  #task(key: string, set: Batch, remove: Batch): void {
    const task = this.#cache.get('Task', ...splitKey(key));
    const mine = task?.spec.nodeName === this.node ? task : undefined;
    const sent = this.#tasks.get(key);
    const namespace = task?.metadata.namespace ?? '';
    if (mine === undefined) {
      if (sent === undefined) return;
      this.#tasks.delete(key);
      remove.tasks.push(key);
    } else {
      const revision = `${namespace}/${mine.spec.revision}`;
      const networks = (mine.spec.networks ?? []).map((name) => `${namespace}/${name}`);
      // What it has before it gives up what it had, so that nothing both need is removed.
      this.#use(revision);
      for (const network of networks) this.#networks.use(network);
      this.#sendRevision(revision, set);
      this.#tasks.set(key, { revision, networks });
      set.tasks.push(jsonOf(mine));
    }
    if (sent === undefined) return;
    this.#release(sent.revision, remove);
    for (const network of sent.networks) this.#networks.release(network);
  }

  #use(key: string): void {
    const entry = this.#revisions.get(key);
    if (entry === undefined) this.#revisions.set(key, { users: 1, sent: false });
    else entry.users += 1;
  }

  #sendRevision(key: string, set: Batch): void {
    const entry = this.#revisions.get(key);
    if (entry === undefined || entry.sent) return;
    const revision: Revision | undefined = this.#cache.get('Revision', ...splitKey(key));
    if (revision === undefined) return;
    entry.sent = true;
    set.revisions.push(jsonOfRevision(revision));
  }

  #release(key: string, remove: Batch): void {
    const entry = this.#revisions.get(key);
    if (entry === undefined) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    this.#revisions.delete(key);
    if (entry.sent) remove.revisions.push(key);
  }

  #endpointsOf(key: string, set: Batch, remove: Batch): void {
    const stored = this.#cache.get('Endpoints', ...splitKey(key));
    const object = endpointsFor(this.node, stored, (network) => this.#networks.isMember(network));
    if (object === undefined) {
      if (this.#endpoints.delete(key)) remove.endpoints.push(key);
      return;
    }
    const { ports, endpoints, networks, mode, sessionAffinity } = object;
    const content = JSON.stringify([object.metadata.uid, ports, endpoints, networks, mode, sessionAffinity]);
    if (this.#endpoints.get(key) === content) return;
    this.#endpoints.set(key, content);
    set.endpoints.push(jsonOf(object));
  }
}

const sizeOf = (batch: Batch): number =>
  Object.values(batch).reduce((sum, list: string[]) => sum + list.length, 0);

const setJson = (batch: Batch): string =>
  `{${Object.entries(batch)
    .map(([name, objects]: [string, string[]]) => `"${name}":[${objects.join()}]`)
    .join()}}`;

const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

/**
 * Whether a node must hear of a change of its task. Its own reports come back as changes of `status`: these it
 * knows, so that only a state set by someone else (`lastReported` is the node's own) is news.
 */
export function concernsNode(
  task: Task,
  previous: Task | undefined,
  lastReported: string | undefined,
): boolean {
  if (previous === undefined) return true;
  const { metadata, status } = task;
  const old = previous.metadata;
  return (
    metadata.uid !== old.uid ||
    metadata.generation !== old.generation ||
    metadata.deletionTimestamp !== old.deletionTimestamp ||
    !same(metadata.labels, old.labels) ||
    !same(metadata.annotations, old.annotations) ||
    (status?.state !== previous.status?.state && status?.state !== lastReported)
  );
}
