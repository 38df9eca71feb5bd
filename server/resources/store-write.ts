/** The last step of each write: into the store, or with dry-run only as if. */
import { randomInt, randomUUID } from 'node:crypto';
import type { Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import { timestamp } from '../../kit/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../kit/errors.ts';
import { equal, type Json } from '../apply/value.ts';
import type { Api } from '../types.ts';
import { alreadyExists, beingDeleted, notFound, stale } from './errors.ts';

/** Kubernetes' alphabet for generated names: no vowels, nothing that reads as another character. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

export const randomSuffix = (): string =>
  Array.from({ length: 5 }, () => alphabet[randomInt(alphabet.length)] ?? 'x').join('');

export const cached = (api: Api, def: AnyKindDef, namespace: string, name: string): Obj | undefined =>
  api.registry.cache.get(def.kind, namespace, name);

/** Creates `object`; with `dryRun` says what it would become. Throws AlreadyExists. */
export async function storeNew(api: Api, def: AnyKindDef, object: Obj, dryRun: boolean): Promise<Obj> {
  const { name, namespace = '' } = object.metadata;
  const refuse = (there: Obj | undefined): Error =>
    there?.metadata.deletionTimestamp === undefined ? alreadyExists(def, name) : beingDeleted(def, name);
  if (dryRun) {
    const there = cached(api, def, namespace, name);
    if (there !== undefined) throw refuse(there);
    return {
      ...object,
      metadata: {
        ...object.metadata,
        uid: randomUUID(),
        creationTimestamp: timestamp(api.clock),
        generation: 1,
      },
    };
  }
  try {
    return await api.registry.create(object);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    await api.registry.cache.sync();
    throw refuse(cached(api, def, namespace, name));
  }
}

/** Replaces `live`; with `dryRun` says what it would become. Throws Conflict, NotFound. */
export async function storeChanged(
  api: Api,
  def: AnyKindDef,
  live: Obj,
  object: Obj,
  dryRun: boolean,
): Promise<Obj> {
  const metadata = { ...object.metadata };
  if (live.metadata.resourceVersion !== undefined) metadata.resourceVersion = live.metadata.resourceVersion;
  const next = { ...object, metadata };
  if (dryRun) return { ...next, metadata: { ...metadata, generation: nextGeneration(live, next) } };
  try {
    return await api.registry.update(next);
  } catch (error) {
    if (isNotFound(error)) throw notFound(def, live.metadata.name);
    if (isConflict(error)) throw stale(def, live.metadata.name);
    throw error;
  }
}

function nextGeneration(live: Obj, next: Obj): number {
  const body = (object: Obj): Json =>
    Object.fromEntries(
      Object.entries(object).filter(([key]) => key !== 'metadata' && key !== 'status'),
    ) as Json;
  const generation = live.metadata.generation ?? 0;
  return equal(body(live), body(next)) ? generation : generation + 1;
}
