/** Field managers for what is written past the API: by controllers, the node gateway and the server itself. */
import { kindByName, type Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Track } from '../../store/types.ts';
import { trackUpdate } from '../apply/manager.ts';
import { equal, own, type Json, type JsonObject } from '../apply/value.ts';
import { metadataOf } from './input.ts';
import { writeBy } from './managed.ts';

/**
 * Tracks the kinds that users write as well, so that an apply is told whose field it would change. What only
 * controllers write (tasks, revisions, endpoints, events, leases) has one writer for each field by construction.
 */
export function createTracker(clock: Clock, isTracked: (def: AnyKindDef) => boolean = isShared): Track {
  return (live, next, manager) => {
    const def = kindByName(next.kind) as unknown as AnyKindDef | undefined;
    if (def === undefined || !isTracked(def)) return next;
    const tracked = track(def, plain(live), plain(next) ?? {}, manager, clock);
    return tracked as unknown as typeof next;
  };
}

const isShared = ({ readOnly, subresources }: AnyKindDef): boolean =>
  subresources.status && !readOnly.includes('update');

/** As JSON has it: absent is absent. */
const plain = (object: Obj | undefined): JsonObject | undefined =>
  object === undefined ? undefined : (JSON.parse(JSON.stringify(object)) as JsonObject);

/** The object's own part and its status have managers apart, though one write may change both. */
function track(
  def: AnyKindDef,
  live: JsonObject | undefined,
  next: JsonObject,
  manager: string,
  clock: Clock,
): JsonObject {
  const isSame = live !== undefined && equal(ownPart(live), ownPart(next));
  const first = isSame ? next : trackUpdate(live, next, writeBy(def, manager, '', clock));
  const before = live === undefined ? undefined : own(live, 'status');
  if (!def.subresources.status || equal(before ?? null, own(next, 'status') ?? null)) return first;
  return trackUpdate(withStatus(first, before), first, writeBy(def, manager, 'status', clock));
}

function withStatus(object: JsonObject, status: Json | undefined): JsonObject {
  const { status: _status, ...rest } = object;
  return status === undefined ? rest : { ...rest, status };
}

/** All that a user can own but the status. */
function ownPart(object: JsonObject): Json {
  const { labels = null, annotations = null, finalizers = null, ownerReferences = null } = metadataOf(object);
  const { status: _status, metadata: _metadata, ...rest } = object;
  return { ...rest, metadata: { labels, annotations, finalizers, ownerReferences } };
}
