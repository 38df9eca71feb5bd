import { leaveWithinMs, taskStates, type Endpoints, type Task } from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Cache, Subscription } from '../../store/types.ts';
import { keyOf } from './feed.ts';
import type { LoadedQuestion } from './loaded.ts';
import type { NodeSession } from './node-session.ts';
import { networkKeysOf } from './views.ts';

export interface DeparturesOptions {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly held: (node: string) => NodeSession | undefined;
  /** Whether all of the nodes have loaded all Endpoints as of the revision: see `loadedEverywhere`. */
  readonly isLoaded: (question: LoadedQuestion, signal: AbortSignal) => Promise<boolean>;
}

/** A task that is to stop, of a node whose session is here. */
interface Departure {
  readonly task: string;
  readonly session: NodeSession;
  /** Endpoints named it, or have had the time to. */
  wasNamed: boolean;
}

/**
 * A write of Endpoints that began when a task was ready may end after the task was told to stop, and name it once more.
 * So one that runs and is not named counts as left only after so long; writes take less.
 */
const unnamedMs = 250;

/**
 * Tells agents that their tasks which are to stop have left: no Endpoints name them, and every node that is on one of their
 * networks has loaded that. Nothing of this is stored, and nobody depends on it: an agent that is not told stops its task
 * a little later.
 */
export class Departures {
  readonly #options: DeparturesOptions;
  readonly #subscription: Subscription;
  /** By uid, until the task has ended. */
  readonly #departures = new Map<string, Departure>();
  /** Those that wait for their service's Endpoints (by key) to name them no more. */
  readonly #waiting = new Map<string, Set<string>>();
  readonly #next = new Set<string>();
  /** Of the questions under way. */
  readonly #asking = new Set<AbortController>();
  #scheduled = false;

  constructor(options: DeparturesOptions) {
    this.#options = options;
    this.#subscription = options.cache.watch(undefined, undefined, {
      onChanges: (changes) => {
        for (const { type, object } of changes)
          if (object.kind === 'Task') this.#task(object as Task, type === 'DELETED');
          else if (object.kind === 'Endpoints') this.#endpoints(keyOf(object));
      },
      onReset: () => {
        for (const key of [...this.#waiting.keys()]) this.#endpoints(key);
        for (const task of options.cache.list('Task')) this.#task(task, false);
      },
    });
  }

  /** A session began: its agent may not have been told of what left before. */
  look(session: NodeSession): void {
    for (const task of this.#options.cache.by('Task', 'node', session.node)) this.#task(task, false);
  }

  /** A session ended. */
  forget(session: NodeSession): void {
    for (const [uid, departure] of this.#departures)
      if (departure.session === session) this.#departures.delete(uid);
  }

  close(): void {
    this.#subscription.close();
    for (const time of this.#asking) time.abort();
  }

  #task(task: Task, isGone: boolean): void {
    const { uid = '' } = task.metadata;
    if (isGone || !isToStop(task)) return void this.#departures.delete(uid);
    const session = this.#options.held(task.spec.nodeName ?? '');
    if (session === undefined || this.#departures.get(uid)?.session === session) return;
    this.#departures.set(uid, { task: keyOf(task), session, wasNamed: false });
    this.#lookSoon(uid);
  }

  #endpoints(key: string): void {
    for (const uid of this.#waiting.get(key) ?? []) this.#lookSoon(uid);
    this.#waiting.delete(key);
  }

  /** What changes at once is looked at together, after the sessions were told of it. */
  #lookSoon(uid: string): void {
    this.#next.add(uid);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const uids = [...this.#next];
      this.#next.clear();
      this.#lookAt(uids);
    });
  }

  #lookAt(uids: readonly string[]): void {
    /** By their networks. */
    const groups = new Map<string, { readonly nodes: Set<string>; readonly uids: string[] }>();
    const gone: string[] = [];
    for (const uid of uids) {
      const departure = this.#departures.get(uid);
      const task = departure && this.#taskOf(departure.task, uid);
      if (departure === undefined || task === undefined) continue;
      switch (this.#stageOf(departure, task, uid)) {
        case 'waits':
          continue;
        case 'unknown':
          gone.push(uid);
          continue;
        case 'unnamed': {
          const networks = this.#networksOf(task);
          const group = groups.get(networks.join()) ?? { nodes: this.#nodesOn(networks), uids: [] };
          group.nodes.add(task.spec.nodeName ?? '');
          group.uids.push(uid);
          groups.set(networks.join(), group);
        }
      }
    }
    this.#tell(gone);
    for (const group of groups.values()) void this.#confirm([...group.nodes], group.uids);
  }

  /** `unknown`: no node has ever been sent its address as one to balance to. */
  #stageOf(departure: Departure, task: Task, uid: string): 'waits' | 'unknown' | 'unnamed' {
    const { cache, clock } = this.#options;
    const { namespace = '', name } = task.metadata;
    const key = `${namespace}/${task.spec.service}`;
    const endpoints = cache.get('Endpoints', namespace, task.spec.service);
    if (endpoints !== undefined && namesOf(endpoints).has(name)) {
      this.#waiting.set(key, (this.#waiting.get(key) ?? new Set()).add(uid));
      departure.wasNamed = true;
      return 'waits';
    }
    if (task.status?.state !== 'Running') return 'unknown';
    const service = cache.get('Service', namespace, task.spec.service);
    const mayBeNamed = service !== undefined && service.metadata.deletionTimestamp === undefined;
    if (departure.wasNamed || !mayBeNamed) return 'unnamed';
    departure.wasNamed = true;
    clock.after(unnamedMs, () => this.#lookSoon(uid));
    return 'waits';
  }

  async #confirm(nodes: readonly string[], uids: readonly string[]): Promise<void> {
    const { cache, clock, isLoaded } = this.#options;
    const time = new AbortController();
    this.#asking.add(time);
    const cancel = clock.after(leaveWithinMs, () => time.abort());
    const question = { revision: cache.revision, nodes };
    const hasLeft = await isLoaded(question, time.signal).catch(() => false);
    cancel();
    this.#asking.delete(time);
    if (hasLeft) this.#tell(uids);
  }

  #tell(uids: readonly string[]): void {
    const bySession = new Map<NodeSession, string[]>();
    for (const uid of uids) {
      const session = this.#departures.get(uid)?.session;
      if (session !== undefined) bySession.set(session, [...(bySession.get(session) ?? []), uid]);
    }
    for (const [session, tasks] of bySession) session.send({ type: 'left', tasks });
  }

  #taskOf(key: string, uid: string): Task | undefined {
    const slash = key.indexOf('/');
    const task = this.#options.cache.get('Task', key.slice(0, slash), key.slice(slash + 1));
    return task?.metadata.uid === uid ? task : undefined;
  }

  /** Keys of the networks on which others may know it. */
  #networksOf({ metadata, spec }: Task): readonly string[] {
    const { namespace = '' } = metadata;
    const endpoints = this.#options.cache.get('Endpoints', namespace, spec.service);
    const own = (spec.networks ?? []).map((name) => `${namespace}/${name}`);
    return [...new Set([...own, ...(endpoints === undefined ? [] : networkKeysOf(endpoints))])].sort();
  }

  #nodesOn(networks: readonly string[]): Set<string> {
    const nodes = networks.flatMap((key) => {
      const [namespace = '', name = ''] = key.split('/');
      return Object.keys(this.#options.cache.get('Network', namespace, name)?.status?.nodes ?? {});
    });
    return new Set(nodes);
  }
}

const endedAt = taskStates.indexOf('Complete');

/** Whether its container is to be stopped, and has not ended; a node that gives one up by itself says why. */
const isToStop = ({ metadata, spec, status }: Task): boolean =>
  (metadata.deletionTimestamp !== undefined ||
    spec.desiredState === 'Shutdown' ||
    (status?.state === 'Running' && status.reason !== undefined)) &&
  taskStates.indexOf(status?.state ?? 'New') < endedAt;

const names = new WeakMap<Endpoints, ReadonlySet<string>>();

/** Names of the tasks in an Endpoints object. */
function namesOf(object: Endpoints): ReadonlySet<string> {
  const known = names.get(object) ?? new Set((object.endpoints ?? []).map(({ task }) => task));
  names.set(object, known);
  return known;
}
