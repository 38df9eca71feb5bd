/** What the store promises; see `store/README.md`. */
import type { KindName, Obj, ObjOf } from '../api-schemas/index.ts';

/** A key a write may depend on: the write commits only while the key has this create revision. */
export interface Fence {
  readonly key: string;
  readonly createRevision: number;
  /** Field manager of what is written with it, unless the write names another. */
  readonly manager?: string;
}

/** One compare-and-put (or compare-and-delete) of one key. */
export interface WriteOp {
  readonly key: string;
  /** The key's `mod_revision`; 0: it must not exist. */
  readonly expect: number;
  /** Absent: delete. */
  readonly value?: string | Buffer;
  /** etcd lease id the key goes away with. */
  readonly lease?: string;
  readonly fence?: Fence;
}

export type WriteResult =
  | { readonly committed: true; readonly revision: number }
  | {
      readonly committed: false;
      readonly why: 'conflict' | 'fenced';
      /** Revision at which the refusal was decided. */
      readonly revision: number;
      /** The key as it is, when it exists. */
      readonly current?: { readonly value: Buffer; readonly modRevision: number };
    };

export interface Selector {
  readonly namespace?: string;
  readonly name?: string;
  readonly matches?: (object: Obj) => boolean;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** One change of one object. `object` and `previous` are frozen and shared: never mutate. */
export interface Change<T extends Obj = Obj> {
  readonly type: WatchEventType;
  /** For DELETED: the last state, with the deletion's resourceVersion. */
  readonly object: T;
  readonly previous: T | undefined;
  readonly revision: number;
}

export interface Subscription {
  /** Stops delivery; idempotent. */
  close(): void;
}

export type WatchHandler = {
  /** Changes of one revision, in order, all of them at once. Must not throw or wait. */
  onChanges(changes: readonly Change[], revision: number): void;
  /** The cache was rebuilt (compaction, restore): the watcher must list again. */
  onReset(): void;
};

export interface SyncOptions {
  /** While etcd is away: go on with what the cache has. Default false. */
  readonly staleOk?: boolean;
}

export interface WatchOptions {
  /**
   * Replays the changes of `from` itself, too, where they are known: for a client that may have seen only
   * some of them, since objects written together share a revision. Default false.
   */
  readonly inclusive?: boolean;
}

/** In-memory copy of the registry, fed by one etcd watch. All objects in it are frozen and carry resourceVersion. */
export interface Cache {
  /** Highest revision fully applied. */
  readonly revision: number;
  /** When it was last known to hold all that was committed; milliseconds since the epoch. */
  readonly confirmedAt: number;
  /** Oldest revision a watch can start from; older gives `Expired` (410). */
  readonly oldestRevision: number;
  get<K extends KindName>(kind: K, namespace: string, name: string): ObjOf<K> | undefined;
  /** In key order. */
  list<K extends KindName>(kind: K, namespace?: string): readonly ObjOf<K>[];
  /** Objects of `kind` whose index `name` has `value`. Indexes: see `store/indexes.ts`. */
  by<K extends KindName>(kind: K, index: IndexName, value: string): readonly ObjOf<K>[];
  /**
   * Waits until all that was committed before the call, by any process, is in the cache (a consistent read).
   * Throws 503 `StoreUnavailable` when etcd does not answer, unless `staleOk`.
   */
  sync(options?: SyncOptions): Promise<void>;
  /** Waits until the cache has applied `revision`; throws 504 `Timeout` after 10 s. */
  waitFor(revision: number): Promise<void>;
  /**
   * Replays changes after `from` synchronously, then delivers live ones: never a gap.
   * `from` absent: live only. Throws ApiError 410 `Expired` when `from` is older than `oldestRevision`.
   * A handler that throws is dropped and logged.
   */
  watch(
    kind: KindName | undefined,
    from: number | undefined,
    handler: WatchHandler,
    options?: WatchOptions,
  ): Subscription;
}

/**
 * `owner`: uid of the controlling owner; `dependent`: uid of any owner. `node`: node name of a task, and of each
 * node that is in a network. `network`: `namespace/network` of tasks, services and endpoints that are on it.
 * `service`: `namespace/service` of tasks and revisions. `port`: `protocol/port` that a service publishes.
 * `involved`: uid of the object that an event is about.
 */
export type IndexName = 'owner' | 'dependent' | 'node' | 'network' | 'service' | 'port' | 'uid' | 'involved';

export interface WriteOptions {
  readonly fence?: Fence;
  /** etcd lease the object goes away with. */
  readonly lease?: string;
  /** Whom `metadata.managedFields` names for what this write changes. Default: the fence's. */
  readonly manager?: string;
}

/**
 * `next`, about to replace `live` (absent: created), with the fields that `manager` changes noted as its own.
 * Pure. Which kinds are tracked is its own affair.
 */
export type Track = <T extends Obj>(live: Obj | undefined, next: T, manager: string) => T;

/**
 * Objects in, objects out, over the group-commit writer and the cache. Fills uid, creationTimestamp and
 * generation; compares resourceVersion; never validates (the API server does) and never reads the clock twice.
 * Each write resolves only when it is committed *and* visible in this process's cache.
 */
export interface Registry {
  readonly cache: Cache;
  /** Throws AlreadyExists. */
  create<T extends Obj>(object: T, options?: WriteOptions): Promise<T>;
  /**
   * Replaces all but what identifies the object. Needs `metadata.resourceVersion`. `generation` rises when
   * anything but metadata and status differs. An update that changes nothing writes nothing.
   * The last finalizer's removal from an object being deleted removes the object.
   * Throws Conflict, NotFound.
   */
  update<T extends Obj>(object: T, options?: WriteOptions): Promise<T>;
  /**
   * Reads the object, lets `change` make the new one (undefined: nothing to do) and writes it, again on
   * conflict (5 times). Throws NotFound, Conflict.
   */
  modify<T extends Obj>(
    ref: ObjectRef,
    change: (current: T) => T | undefined,
    options?: WriteOptions,
  ): Promise<T>;
  /**
   * Marks the object deleted; removes it when it has no finalizers. `foreground` adds the finalizer
   * `foregroundDeletion`, `orphan` adds `orphan` (gc acts on both). Returns the object as it is now, or undefined when gone.
   */
  remove(ref: ObjectRef, options?: RemoveOptions): Promise<Obj | undefined>;
}

export interface ObjectRef {
  readonly kind: KindName;
  readonly namespace: string;
  readonly name: string;
}

export interface RemoveOptions extends WriteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly propagation?: 'Background' | 'Foreground' | 'Orphan';
}
