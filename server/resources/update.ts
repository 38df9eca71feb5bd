/** PUT: an object replaced whole; also the second half of every patch. */
import type { Obj } from '../../api-schemas/index.ts';
import { admitUpdate } from '../admission/index.ts';
import { trackUpdate } from '../apply/manager.ts';
import { own, type JsonObject } from '../apply/value.ts';
import type { Api, ResourceCall } from '../types.ts';
import { conflict, invalid, notFound, stale } from './errors.ts';
import {
  identified,
  metadataOf,
  textAt,
  valid,
  withServerFields,
  withStatusOf,
  withoutNulls,
  withoutUnknown,
} from './input.ts';
import { sameButTimes, writeBy } from './managed.ts';
import type { WriteParams } from './params.ts';
import { cached, storeChanged } from './store-write.ts';

export const asJson = (object: Obj): JsonObject => object as unknown as JsonObject;

/** The object as stored, after everything committed before the call. Throws 404. */
export async function liveObject(api: Api, { def, namespace, name }: ResourceCall): Promise<Obj> {
  await api.registry.cache.sync();
  const live = cached(api, def, namespace, name);
  if (live === undefined) throw notFound(def, name);
  return live;
}

/** Throws 400, 403, 404, 409, 422. */
export async function update(
  api: Api,
  call: ResourceCall,
  body: JsonObject,
  params: WriteParams,
): Promise<Obj> {
  const { def, namespace, name } = call;
  const given = identified(def, withoutNulls(body) as JsonObject, { namespace, name });
  const live = await liveObject(api, call);
  const version = textAt(metadataOf(given), 'resourceVersion');
  if (version === '' && def.group === 'orc.dev') {
    throw invalid(def, name, [
      {
        reason: 'FieldValueInvalid',
        field: 'metadata.resourceVersion',
        message: 'Invalid value: 0x0: must be specified for an update',
      },
    ]);
  }
  checkUid(call, live, metadataOf(given));
  return replace(api, call, live, given, params);
}

export function checkUid({ def, name }: ResourceCall, live: Obj, metadata: JsonObject): void {
  const uid = textAt(metadata, 'uid');
  if (uid === '' || uid === live.metadata.uid) return;
  throw conflict(
    def,
    name,
    `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid ?? ''}`,
  );
}

/**
 * Puts `wanted` in the place of `live`, as far as the subresource reaches. Throws Conflict when `wanted` has
 * another resourceVersion. What changes nothing is not written.
 */
export async function replace(
  api: Api,
  call: ResourceCall,
  live: Obj,
  wanted: JsonObject,
  params: WriteParams,
): Promise<Obj> {
  const { def } = call;
  const known = withoutUnknown(def, wanted, params.fieldValidation, (text) => call.warn(text));
  const reached = within(call, live, known);
  const by = writeBy(def, params.manager, call.subresource, api.clock);
  const tracked = trackUpdate(asJson(live), asJson(valid(def, reached)), by);
  return commit(api, call, live, tracked, params);
}

/** `wanted` with all that the request may not change taken from `live`. */
export function within({ def, name, subresource }: ResourceCall, live: Obj, wanted: JsonObject): JsonObject {
  const version = textAt(metadataOf(wanted), 'resourceVersion');
  if (version !== '' && version !== live.metadata.resourceVersion) throw stale(def, name);
  if (subresource === 'status') {
    const { status: _status, ...rest } = asJson(live);
    const status = own(wanted, 'status');
    return status === undefined ? rest : { ...rest, status };
  }
  return withStatusOf(def, withServerFields(wanted, asJson(live)), asJson(live));
}

/** Validates, admits and stores `next`, which has its managers. */
export async function commit(
  api: Api,
  { def, identity, subresource }: ResourceCall,
  live: Obj,
  next: JsonObject,
  params: WriteParams,
): Promise<Obj> {
  const version = live.metadata.resourceVersion;
  const versioned = {
    ...next,
    metadata: { ...metadataOf(next), ...(version === undefined ? {} : { resourceVersion: version }) },
  };
  if (sameButTimes(asJson(live), versioned)) return live;
  const object = valid(def, versioned);
  return admitUpdate(api, def, identity, { live, object, subresource }, (admitted) =>
    storeChanged(api, def, live, admitted, params.dryRun),
  );
}
