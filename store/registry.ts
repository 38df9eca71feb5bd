import { randomUUID } from 'node:crypto';
import type { KindName, Obj } from '../api-schemas/index.ts';
import { timestamp, type Clock } from '../kit/clock.ts';
import { isConflict } from '../kit/errors.ts';
import { frozen } from './decode.ts';
import {
  alreadyExists,
  beingDeleted,
  fenced,
  mayNotAddFinalizers,
  modified,
  needsVersion,
  notFound,
} from './errors.ts';
import { keyOf, refOf } from './keys.ts';
import { checkPreconditions, finalizersFor, nextVersion, sameObject, storedForm } from './object.ts';
import type { Cache, ObjectRef, Registry, RemoveOptions, Track, WriteOptions, WriteResult } from './types.ts';
import type { Writer } from './writer.ts';

export interface RegistryOptions {
  readonly cache: Cache;
  readonly writer: Pick<Writer, 'submit'>;
  readonly clock: Clock;
  /** Absent: nobody's fields are tracked. */
  readonly track?: Track;
}

type Attempt<T> =
  | { readonly done: true; readonly object: T }
  /** `revision`: when the refusal was decided. */
  | { readonly done: false; readonly error: Error; readonly revision: number };

/** How often `modify` and `remove` meet a conflict before they give up. */
const maxTries = 5;

export class EtcdRegistry implements Registry {
  readonly cache: Cache;
  readonly #writer: Pick<Writer, 'submit'>;
  readonly #clock: Clock;
  readonly #track: Track | undefined;

  constructor({ cache, writer, clock, track }: RegistryOptions) {
    this.cache = cache;
    this.#writer = writer;
    this.#clock = clock;
    this.#track = track;
  }

  async create<T extends Obj>(object: T, options: WriteOptions = {}): Promise<T> {
    const { generateName } = object.metadata;
    const name =
      object.metadata.name || (generateName === undefined ? '' : generateName + randomUUID().slice(-5));
    const made: T = {
      ...object,
      metadata: {
        ...object.metadata,
        name,
        uid: randomUUID(),
        creationTimestamp: timestamp(this.#clock),
        generation: 1,
        deletionTimestamp: undefined,
        deletionGracePeriodSeconds: undefined,
      },
    };
    const next = this.#tracked(undefined, made, options);
    const ref = refOf(next);
    const result = await this.#write(ref, 0, next, options);
    if (result.committed) return this.#written(next, result.revision);
    if (result.why === 'fenced') throw fenced(ref);
    const current = result.current && (JSON.parse(result.current.value.toString()) as Obj);
    throw current?.metadata.deletionTimestamp === undefined ? alreadyExists(ref) : beingDeleted(ref);
  }

  async update<T extends Obj>(object: T, options: WriteOptions = {}): Promise<T> {
    const ref = refOf(object);
    const version = object.metadata.resourceVersion;
    if (version === undefined || version === '') throw needsVersion(ref);
    const current = await this.#read(ref, version);
    if (current === undefined) throw notFound(ref);
    if (current.metadata.resourceVersion !== version) throw modified(ref);
    const attempt = await this.#replace(current as T, object, options);
    if (attempt.done) return attempt.object;
    throw attempt.error;
  }

  async modify<T extends Obj>(
    ref: ObjectRef,
    change: (current: T) => T | undefined,
    options: WriteOptions = {},
  ): Promise<T> {
    for (let tries = 1; ; tries++) {
      const current = (await this.#read(ref)) as unknown as T | undefined;
      if (current === undefined) throw notFound(ref);
      const next = change(current);
      if (next === undefined || next === current) return current;
      const attempt = await this.#replace(current, next, options);
      if (attempt.done) return attempt.object;
      if (!isConflict(attempt.error) || tries === maxTries) throw attempt.error;
      await this.cache.waitFor(attempt.revision);
    }
  }

  async remove(ref: ObjectRef, options: RemoveOptions = {}): Promise<Obj | undefined> {
    for (let tries = 1; ; tries++) {
      const current = await this.#read(ref, options.resourceVersion);
      if (current === undefined) throw notFound(ref);
      checkPreconditions(ref, current, options);
      const finalizers = finalizersFor(current, options.propagation);
      const next: Obj | undefined =
        finalizers.length === 0
          ? undefined
          : {
              ...current,
              metadata: {
                ...current.metadata,
                finalizers,
                deletionTimestamp: current.metadata.deletionTimestamp ?? timestamp(this.#clock),
                deletionGracePeriodSeconds: 0,
              },
            };
      if (next !== undefined && sameObject(current, next)) return current;
      const result = await this.#write(ref, Number(current.metadata.resourceVersion), next, options);
      if (result.committed) return next === undefined ? undefined : this.#written(next, result.revision);
      if (result.why === 'fenced') throw fenced(ref);
      if (tries === maxTries) throw modified(ref);
      await this.cache.waitFor(result.revision);
    }
  }

  /** Writes `wanted` over `current`, if that is still the newest. */
  async #replace<T extends Obj>(current: T, wanted: T, options: WriteOptions): Promise<Attempt<T>> {
    const ref = refOf(current);
    checkPreconditions(ref, current, wanted.metadata.uid === undefined ? {} : { uid: wanted.metadata.uid });
    const untracked = nextVersion(current, wanted);
    if (sameObject(current, untracked)) return { done: true, object: current };
    const next = this.#tracked(current, untracked, options);
    const deleting = current.metadata.deletionTimestamp !== undefined;
    const finalizers = next.metadata.finalizers ?? [];
    const added = finalizers.filter((f) => current.metadata.finalizers?.includes(f) !== true);
    if (deleting && added.length > 0) throw mayNotAddFinalizers(ref, added);
    const gone = deleting && finalizers.length === 0;
    const result = await this.#write(
      ref,
      Number(current.metadata.resourceVersion),
      gone ? undefined : next,
      options,
    );
    if (result.committed) return { done: true, object: this.#written(next, result.revision) };
    if (result.why === 'fenced') return { done: false, error: fenced(ref), revision: result.revision };
    const error = result.current === undefined ? notFound(ref) : modified(ref);
    return { done: false, error, revision: result.revision };
  }

  #tracked<T extends Obj>(live: T | undefined, next: T, { manager, fence }: WriteOptions): T {
    const who = manager ?? fence?.manager;
    return who === undefined || this.#track === undefined ? next : this.#track(live, next, who);
  }

  /**
   * The object in the cache; when it is not there, or older than the wanted version, asks the store first.
   * A version that no one has seen yet is not waited for longer than that.
   */
  async #read(ref: ObjectRef, version?: string): Promise<Obj | undefined> {
    const cached = this.#cached(ref);
    const seen = Number(cached?.metadata.resourceVersion ?? 0);
    if (cached !== undefined && (version === undefined || seen >= Number(version))) return cached;
    await this.cache.sync();
    return this.#cached(ref);
  }

  #cached({ kind, namespace, name }: ObjectRef): Obj | undefined {
    return this.cache.get<KindName>(kind, namespace, name);
  }

  /** Resolves when the write is decided, and visible in the cache when it was made. */
  async #write(
    ref: ObjectRef,
    expect: number,
    object: Obj | undefined,
    { fence, lease }: WriteOptions,
  ): Promise<WriteResult> {
    const result = await this.#writer.submit({
      key: keyOf(ref),
      expect,
      ...(object === undefined ? {} : { value: storedForm(object) }),
      ...(fence === undefined ? {} : { fence }),
      ...(lease === undefined || object === undefined ? {} : { lease }),
    });
    if (result.committed) await this.cache.waitFor(result.revision);
    return result;
  }

  /** What a write returns: the object as committed, shared with the cache where it is still the newest. */
  #written<T extends Obj>(object: T, revision: number): T {
    const cached = this.#cached(refOf(object));
    const resourceVersion = String(revision);
    if (cached?.metadata.resourceVersion === resourceVersion) return cached as T;
    const plain = JSON.parse(JSON.stringify(object)) as T;
    return frozen({ ...plain, metadata: { ...plain.metadata, resourceVersion } });
  }
}
