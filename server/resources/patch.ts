/** PATCH: JSON patch, merge patch and server-side apply. */
import { sleep } from '../../kit/clock.ts';
import type { Obj } from '../../api-schemas/index.ts';
import { ApiError, isConflict } from '../../kit/errors.ts';
import { trackApply } from '../apply/manager.ts';
import { own, type Json, type JsonObject } from '../apply/value.ts';
import { objectOrThrow, parseJson, parseYamlOrJson, unsupported } from '../http/body.ts';
import { mediaType } from '../http/media.ts';
import { jsonPatch } from '../patch/json-patch.ts';
import { mergePatch } from '../patch/merge-patch.ts';
import type { Api, ResourceCall } from '../types.ts';
import { createPrepared } from './create.ts';
import { badRequest, notFound, stale } from './errors.ts';
import {
  identified,
  metadataOf,
  textAt,
  withServerFields,
  withStatusOf,
  withoutNulls,
  withoutUnknown,
} from './input.ts';
import { writeBy } from './managed.ts';
import type { WriteParams } from './params.ts';
import { cached } from './store-write.ts';
import { asJson, checkUid, commit, liveObject, replace, within } from './update.ts';

export const patchTypes = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/apply-patch+yaml',
] as const;

export type Patch =
  | { readonly kind: 'change'; change(current: JsonObject): Json; readonly versioned: boolean }
  | { readonly kind: 'apply'; readonly config: JsonObject };

/** How often a patch that names no resourceVersion meets another writer before it gives up. */
const maxTries = 20;

/** Throws 400 and 415. */
export function readPatch(contentType: string | undefined, body: Buffer): Patch {
  switch (mediaType(contentType)) {
    case 'application/json-patch+json': {
      const operations = parseJson(body);
      const versioned = JSON.stringify(operations).includes('resourceVersion');
      return { kind: 'change', versioned, change: (current) => jsonPatch(current, operations) };
    }
    case 'application/merge-patch+json': {
      const patch = objectOrThrow(parseJson(body));
      const versioned = textAt(metadataOf(patch), 'resourceVersion') !== '';
      return { kind: 'change', versioned, change: (current) => mergePatch(current, patch) };
    }
    case 'application/apply-patch+yaml':
    case 'application/apply-patch+json':
      return { kind: 'apply', config: objectOrThrow(parseYamlOrJson(body)) };
    default:
      throw unsupported(patchTypes);
  }
}

/** The patched object and whether it was created. Throws 400, 403, 404, 409, 415, 422. */
export async function patch(
  api: Api,
  call: ResourceCall,
  what: Patch,
  params: WriteParams,
): Promise<{ readonly object: Obj; readonly created: boolean }> {
  if (what.kind === 'apply') {
    if (call.query.get('fieldManager') === null || call.query.get('fieldManager') === '') {
      throw badRequest('fieldManager is required for apply patch');
    }
    return retrying(api, call, textAt(metadataOf(what.config), 'resourceVersion') !== '', () =>
      applyOnce(api, call, what.config, params),
    );
  }
  return retrying(api, call, what.versioned, async () => {
    const live = await liveObject(api, call);
    const changed = objectOrThrow(what.change(asJson(live)));
    const { def, namespace, name } = call;
    const wanted = identified(def, withoutNulls(changed) as JsonObject, { namespace, name });
    checkUid(call, live, metadataOf(wanted));
    return { object: await replace(api, call, live, wanted, params), created: false };
  });
}

/** Tries again when another writer came between, unless the client said which version it means. */
export async function retrying<T>(
  { clock }: Pick<Api, 'clock'>,
  call: ResourceCall,
  versioned: boolean,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt();
    } catch (error) {
      const passing = isConflict(error) && error.message === stale(call.def, call.name).message;
      if (!passing || versioned || tries === maxTries) throw error;
      // Controllers may write its status many times in a row: two that collide must not do so in step.
      await sleep(clock, Math.random() * Math.min(50, 2 ** tries), call.signal);
    }
  }
}

async function applyOnce(
  api: Api,
  call: ResourceCall,
  config: JsonObject,
  params: WriteParams,
): Promise<{ readonly object: Obj; readonly created: boolean }> {
  const { def, namespace, name, subresource } = call;
  if (
    own(metadataOf(config), 'managedFields') !== undefined &&
    own(metadataOf(config), 'managedFields') !== null
  ) {
    throw badRequest('metadata.managedFields must be nil');
  }
  if (textAt(config, 'kind') === '' || textAt(config, 'apiVersion') === '') {
    throw badRequest('an applied configuration must have apiVersion and kind');
  }
  const given = identified(def, config, { namespace, name });
  const intent = withoutUnknown(def, given, params.fieldValidation, (text) => call.warn(text));
  const by = writeBy(def, params.manager, subresource, api.clock);
  await api.registry.cache.sync();
  const live = cached(api, def, namespace, name);
  if (live === undefined) {
    if (subresource !== '') throw notFound(def, name);
    if (textAt(metadataOf(intent), 'uid') !== '') {
      throw new ApiError(
        409,
        `uid mismatch: the provided object specified uid ${textAt(metadataOf(intent), 'uid')}, and no existing object was found`,
      );
    }
    const merged = withoutNulls(trackApply(undefined, unversioned(intent), by, params.force)) as JsonObject;
    const bare = withStatusOf(def, withServerFields(merged, undefined), undefined);
    return { object: await createPrepared(api, call, bare, params, (object) => object), created: true };
  }
  checkUid(call, live, metadataOf(intent));
  const version = textAt(metadataOf(intent), 'resourceVersion');
  if (version !== '' && version !== live.metadata.resourceVersion) throw stale(def, name);
  const merged = withoutNulls(trackApply(asJson(live), unversioned(intent), by, params.force)) as JsonObject;
  const next = withManagersOf(within(call, live, merged), merged);
  return { object: await commit(api, call, live, next, params), created: false };
}

/** `object` (part of which came from the live one) with the managers that the merge decided. */
function withManagersOf(object: JsonObject, merged: JsonObject): JsonObject {
  const { managedFields: _old, ...metadata } = metadataOf(object);
  const managedFields = own(metadataOf(merged), 'managedFields');
  return { ...object, metadata: { ...metadata, ...(managedFields === undefined ? {} : { managedFields }) } };
}

/** Without what only the request, never the object's owner, has to say. */
function unversioned(config: JsonObject): JsonObject {
  const {
    resourceVersion: _version,
    uid: _uid,
    creationTimestamp: _created,
    ...metadata
  } = metadataOf(config);
  return { ...config, metadata };
}
