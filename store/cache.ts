import type { KindName, Obj, ObjOf } from '../api-schemas/index.ts';
import type { Clock } from '../kit/clock.ts';
import { ApiError } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import { decode, type Stored } from './decode.ts';
import { expired } from './errors.ts';
import { refOfKey } from './keys.ts';
import type { WatchEvent } from './proto.ts';
import { Ring, type Unit } from './ring.ts';
import { Tables } from './table.ts';
import type {
  Cache,
  Change,
  IndexName,
  Subscription,
  SyncOptions,
  WatchHandler,
  WatchOptions,
} from './types.ts';

export interface CacheOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** See `sync.ts`. */
  readonly sync: (options: SyncOptions) => Promise<void>;
  readonly ring?: { readonly maxChanges?: number; readonly maxBytes?: number };
  /** How long `waitFor` waits. Default 10 000 ms. */
  readonly waitTimeoutMs?: number;
}

interface Watcher {
  readonly kind: KindName | undefined;
  readonly handler: WatchHandler;
  closed: boolean;
}

interface Waiter {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function deferred(): Waiter & { readonly reject: (error: Error) => void } {
  let resolve = (): void => undefined;
  let reject: (error: Error) => void = resolve;
  const promise = new Promise<void>((onDone, onError) => {
    resolve = onDone;
    reject = onError;
  });
  return { promise, resolve: () => resolve(), reject: (error) => reject(error) };
}

const behind = (wanted: number, at: number, ms: number): ApiError =>
  new ApiError(
    504,
    `This process has not seen revision ${wanted} of the store within ${ms / 1000} s (it is at ${at}): its watch of etcd is behind or interrupted`,
    { details: { retryAfterSeconds: 1 } },
  );

/** The watch cache's state and its watchers. `feed.ts` fills it; everything here is synchronous. */
export class WatchCache implements Cache {
  readonly #options: CacheOptions;
  readonly #logger: Logger;
  #tables = new Tables();
  #ring: Ring;
  #revision = 0;
  #confirmedAt = 0;
  readonly #watchers = new Set<Watcher>();
  readonly #waiters = new Map<number, Waiter>();
  /** Times it was rebuilt after the first. */
  resets = 0;
  /** Changes applied. */
  changes = 0;

  constructor(options: CacheOptions) {
    this.#options = options;
    this.#logger = options.logger;
    this.#ring = new Ring(0, options.ring);
  }

  get revision(): number {
    return this.#revision;
  }

  get confirmedAt(): number {
    return this.#confirmedAt;
  }

  get oldestRevision(): number {
    return this.#ring.oldestRevision;
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  get<K extends KindName>(kind: K, namespace: string, name: string): ObjOf<K> | undefined {
    return this.#tables.get({ kind, namespace, name }) as ObjOf<K> | undefined;
  }

  list<K extends KindName>(kind: K, namespace?: string): readonly ObjOf<K>[] {
    return this.#tables.list(kind, namespace) as unknown as readonly ObjOf<K>[];
  }

  by<K extends KindName>(kind: K, index: IndexName, value: string): readonly ObjOf<K>[] {
    return this.#tables.by(kind, index, value) as unknown as readonly ObjOf<K>[];
  }

  sync(options: SyncOptions = {}): Promise<void> {
    return this.#options.sync(options);
  }

  /** Notes that it holds all that was committed before `at`. */
  confirm(at: number): void {
    if (at > this.#confirmedAt) this.#confirmedAt = at;
  }

  waitFor(revision: number): Promise<void> {
    if (this.#revision >= revision) return Promise.resolve();
    const known = this.#waiters.get(revision);
    if (known !== undefined) return known.promise;
    const { clock, waitTimeoutMs = 10_000 } = this.#options;
    const { promise, resolve, reject } = deferred();
    const cancel = clock.after(waitTimeoutMs, () => {
      this.#waiters.delete(revision);
      reject(behind(revision, this.#revision, waitTimeoutMs));
    });
    this.#waiters.set(revision, {
      promise,
      resolve: () => {
        cancel();
        resolve();
      },
    });
    return promise;
  }

  watch(
    kind: KindName | undefined,
    from: number | undefined,
    handler: WatchHandler,
    options: WatchOptions = {},
  ): Subscription {
    if (from !== undefined && from < this.oldestRevision) throw expired(from, this.oldestRevision);
    const watcher: Watcher = { kind, handler, closed: false };
    this.#watchers.add(watcher);
    if (from !== undefined) {
      const after = options.inclusive === true ? from - 1 : from;
      for (const unit of this.#ring.after(after)) this.#deliver(watcher, unit);
    }
    return { close: () => this.#drop(watcher) };
  }

  /** Replaces everything by what a list at `revision` found. */
  reset(objects: readonly Stored[], revision: number): void {
    const first = this.#revision === 0;
    this.#tables = new Tables();
    for (const { ref, object } of objects) this.#tables.change(ref, object);
    this.#ring = new Ring(revision, this.#options.ring);
    this.#revision = revision;
    this.confirm(this.#options.clock.now());
    if (!first) this.resets++;
    for (const watcher of [...this.#watchers]) this.#guard(watcher, () => watcher.handler.onReset());
    this.#wake();
  }

  /** Applies all events of one revision as a unit, then tells the watchers. */
  apply(events: readonly WatchEvent[], revision: number): void {
    const changes: Change[] = [];
    let bytes = 0;
    for (const event of events) {
      const change = this.#applyEvent(event, revision);
      if (change === undefined) continue;
      changes.push(change);
      bytes += event.kv.value.length + 500;
    }
    this.#revision = revision;
    this.confirm(this.#options.clock.now());
    this.changes += changes.length;
    if (changes.length > 0) {
      const unit: Unit = { revision, changes: Object.freeze(changes), bytes };
      this.#ring.push(unit);
      for (const watcher of [...this.#watchers]) this.#deliver(watcher, unit);
    }
    this.#wake();
  }

  #applyEvent(event: WatchEvent, revision: number): Change | undefined {
    if (event.kind === 'delete') {
      const ref = refOfKey(event.kv.key);
      if (ref === undefined) return undefined;
      const previous = this.#tables.change(ref, undefined);
      if (previous === undefined) return undefined;
      const metadata = { ...previous.metadata, resourceVersion: String(revision) };
      const object: Obj = Object.freeze({ ...previous, metadata: Object.freeze(metadata) });
      return { type: 'DELETED', object, previous, revision };
    }
    const stored = decode(event.kv, this.#logger);
    if (stored === undefined) return undefined;
    const previous = this.#tables.change(stored.ref, stored.object);
    const type = previous === undefined ? 'ADDED' : 'MODIFIED';
    return { type, object: stored.object, previous, revision };
  }

  #deliver(watcher: Watcher, { changes, revision }: Unit): void {
    const { kind, handler } = watcher;
    const wanted =
      kind === undefined || changes.every((change) => change.object.kind === kind)
        ? changes
        : changes.filter((change) => change.object.kind === kind);
    if (wanted.length > 0) this.#guard(watcher, () => handler.onChanges(wanted, revision));
  }

  #guard(watcher: Watcher, call: () => void): void {
    if (watcher.closed) return;
    try {
      call();
    } catch (error) {
      this.#drop(watcher);
      this.#logger.error({ err: error, kind: watcher.kind }, 'a watcher threw and was dropped');
    }
  }

  #drop(watcher: Watcher): void {
    watcher.closed = true;
    this.#watchers.delete(watcher);
  }

  #wake(): void {
    for (const [revision, waiter] of this.#waiters) {
      if (revision > this.#revision) continue;
      this.#waiters.delete(revision);
      waiter.resolve();
    }
  }
}
