import {
  sessionClose,
  type Endpoints,
  type Network,
  type Node,
  type Revision,
  type Task,
} from '../../api-schemas/index.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Cache, Change, Subscription } from '../../store/types.ts';
import { concernsNode, keyOf } from './feed.ts';
import type { NodeSession } from './node-session.ts';
import { endpointsByNode, networkKeysOf, reachOf } from './views.ts';

/** A session that was sent something this recently waits, so that a burst becomes few frames. */
const quietMs = 5;

/**
 * Tells each session what changed for its node. The work per change does not grow with the number of nodes, but for what
 * all nodes of a network have to know.
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
      case 'Network':
        return this.#network(object as Network, previous as Network | undefined, type === 'DELETED');
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
    if (!isGone && endOf(node) === endOf(previous)) return;
    for (const network of this.#cache.by('Network', 'node', node.metadata.name))
      this.#peers(keyOf(network), node.metadata.name);
  }

  /** What a node has on a network has changed: tells the others in it. */
  #peers(key: string, node: string, members: Iterable<string> = this.#members(key)): void {
    for (const other of members) {
      const session = other === node ? undefined : this.#sessionOf(other);
      session?.feed.markPeers(key, node);
      this.#wake(session);
    }
  }

  #members(network: string): readonly string[] {
    const [namespace = '', name = ''] = network.split('/');
    return Object.keys(this.#cache.get('Network', namespace, name)?.status?.nodes ?? {});
  }

  #network(network: Network, previous: Network | undefined, isGone: boolean): void {
    const key = keyOf(network);
    const [before, after] = [previous?.status?.nodes ?? {}, isGone ? {} : (network.status?.nodes ?? {})];
    const tell = (node: string): void => {
      const session = this.#sessionOf(node);
      session?.feed.markNetwork(key);
      this.#wake(session);
    };
    const all = new Set([...Object.keys(before), ...Object.keys(after)]);
    for (const node of all) {
      const [was, is] = [before[node], after[node]];
      if (JSON.stringify(was) === JSON.stringify(is)) continue;
      if ((was === undefined) !== (is === undefined)) this.#sessionOf(node)?.feed.markMember(key);
      tell(node);
      if (was?.gateway !== is?.gateway) this.#peers(key, node, all);
    }
    if (!isGone && previous !== undefined && asWhole(network) === asWhole(previous)) return;
    for (const node of Object.keys(after)) tell(node);
    // Those whose tasks wait for it.
    const waiting = this.#cache.by('Task', 'network', key).map(({ spec }) => spec.nodeName ?? '');
    for (const node of new Set(waiting)) tell(node);
  }

  #task(task: Task, previous: Task | undefined, isGone: boolean): void {
    if (reachOf(isGone ? undefined : task) !== reachOf(previous))
      for (const network of new Set([...(task.spec.networks ?? []), ...(previous?.spec.networks ?? [])]))
        this.#peers(`${task.metadata.namespace ?? ''}/${network}`, task.spec.nodeName ?? '');
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
    const networks = [...networkKeysOf(object), ...(previous === undefined ? [] : networkKeysOf(previous))];
    for (const network of new Set(networks)) for (const node of this.#members(network)) nodes.add(node);
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

/** What others need of a node to send to it: its address, and its public keys. */
const endOf = (node: Node | undefined): string =>
  JSON.stringify([node?.status?.addresses?.[0], node?.status?.encryption?.keys]);

/** What of a network all its nodes know. */
const asWhole = ({ metadata, spec, status }: Network): string =>
  JSON.stringify([
    metadata.uid,
    metadata.deletionTimestamp,
    spec,
    status?.vni,
    status?.subnet,
    status?.epoch,
    status?.conditions?.map(({ type, reason, message }) => [type, reason, message]),
  ]);
