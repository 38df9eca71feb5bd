import {
  sessionClose,
  type Endpoints,
  type Node,
  type Revision,
  type Task,
} from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Cache, Change, Subscription } from '../../store/types.ts';
import { concernsNode, endpointsByNode, keyOf } from './feed.ts';
import type { NodeSession } from './node-session.ts';

/** A session that was sent something this recently waits, so that a burst becomes few frames. */
const quietMs = 5;

/**
 * Tells each session what changed for its node. The work per change does not grow with the number of nodes.
 * A change for an idle session is sent in the same turn of the event loop.
 */
export class Dispatcher {
  readonly #cache: Cache;
  readonly #clock: Clock;
  readonly #sessionOf: (node: string) => NodeSession | undefined;
  readonly #onCluster: () => void;
  readonly #subscription: Subscription;
  readonly #waiting = new Set<NodeSession>();
  readonly #timers = new Map<NodeSession, () => void>();
  #scheduled = false;

  constructor(
    cache: Cache,
    clock: Clock,
    sessionOf: (node: string) => NodeSession | undefined,
    /** The managers may have changed. */
    onCluster: () => void,
  ) {
    this.#onCluster = onCluster;
    this.#cache = cache;
    this.#clock = clock;
    this.#sessionOf = sessionOf;
    this.#subscription = cache.watch(undefined, undefined, {
      onChanges: (changes) => {
        for (const change of changes) this.#change(change);
      },
      onReset: () => {
        onCluster();
        for (const node of cache.list('Node')) {
          const session = sessionOf(node.metadata.name);
          session?.feed.markAll();
          this.#wake(session);
        }
      },
    });
  }

  forget(session: NodeSession): void {
    this.#waiting.delete(session);
    this.#timers.get(session)?.();
    this.#timers.delete(session);
  }

  close(): void {
    this.#subscription.close();
    for (const session of [...this.#timers.keys()]) this.forget(session);
  }

  #change({ type, object, previous }: Change): void {
    switch (object.kind) {
      case 'Task':
        return this.#task(object as Task, previous as Task | undefined, type === 'DELETED');
      case 'Endpoints':
        return this.#endpoints(object as Endpoints, previous as Endpoints | undefined);
      case 'Revision':
        if (type === 'ADDED') this.#revision(object as Revision);
        return;
      case 'Node':
        return this.#node(object as Node, previous as Node | undefined, type === 'DELETED');
      case 'Cluster':
        return this.#onCluster();
    }
  }

  #node(node: Node, previous: Node | undefined, isGone: boolean): void {
    const session = this.#sessionOf(node.metadata.name);
    const code = sessionClose.nodeRemoved;
    if (isGone) session?.end({ code, reason: 'NodeRemoved', message: 'The Node object was deleted' });
    else session?.recordChanged(node.status?.session, previous?.status?.session);
  }

  #task(task: Task, previous: Task | undefined, isGone: boolean): void {
    const session = this.#sessionOf(task.spec.nodeName ?? '');
    if (session === undefined) return;
    const lastReported = session.reports.lastState(task.metadata.uid ?? '');
    const placed = previous?.spec.nodeName === task.spec.nodeName ? previous : undefined;
    if (isGone) session.reports.forget(task.metadata.uid ?? '');
    else if (!concernsNode(task, placed, lastReported)) return;
    session.feed.markTask(keyOf(task));
    this.#wake(session);
  }

  /** Tasks come after their revision; should one have come before, its node is waiting for it. */
  #revision(revision: Revision): void {
    const { namespace = '', name } = revision.metadata;
    for (const { spec } of this.#cache.by('Task', 'service', `${namespace}/${revision.spec.service}`)) {
      const session = spec.revision === name ? this.#sessionOf(spec.nodeName ?? '') : undefined;
      if (session?.feed.markRevision(keyOf(revision)) === true) this.#wake(session);
    }
  }

  #endpoints(object: Endpoints, previous: Endpoints | undefined): void {
    const nodes = new Set(endpointsByNode(object).keys());
    if (previous !== undefined) for (const node of endpointsByNode(previous).keys()) nodes.add(node);
    for (const node of nodes) {
      const session = this.#sessionOf(node);
      session?.feed.markEndpoints(keyOf(object));
      this.#wake(session);
    }
  }

  #wake(session: NodeSession | undefined): void {
    if (session === undefined) return;
    this.#waiting.add(session);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const now = this.#clock.now();
      for (const waiting of this.#waiting) this.#flush(waiting, now);
      this.#waiting.clear();
    });
  }

  #flush(session: NodeSession, now: number): void {
    if (this.#timers.has(session)) return;
    // The clock may have been set back since.
    const wait = Math.min(quietMs, session.flushedAt + quietMs - now);
    if (wait <= 0) return session.flush();
    const cancel = this.#clock.after(wait, () => {
      this.#timers.delete(session);
      session.flush();
    });
    this.#timers.set(session, cancel);
  }
}
