/** POST: a new object. */
import type { Obj } from '../../api-schemas/index.ts';
import { admitCreate } from '../admission/index.ts';
import { trackUpdate } from '../apply/manager.ts';
import { own, type JsonObject } from '../apply/value.ts';
import type { Api, ResourceCall } from '../types.ts';
import { badRequest } from './errors.ts';
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
import { writeBy } from './managed.ts';
import type { WriteParams } from './params.ts';
import { randomSuffix, storeNew } from './store-write.ts';

/** How often another suffix is tried when a generated name is taken. */
const maxNameTries = 8;

/** Creates the object in `body`. Throws 400, 403, 404 (namespace), 409, 422. */
export async function create(
  api: Api,
  call: ResourceCall,
  body: JsonObject,
  params: WriteParams,
): Promise<Obj> {
  const { def, namespace } = call;
  const given = identified(def, withoutNulls(body) as JsonObject, { namespace, name: '' });
  if (textAt(metadataOf(given), 'resourceVersion') !== '') {
    throw badRequest('resourceVersion should not be set on objects to be created');
  }
  const known = withoutUnknown(def, given, params.fieldValidation, (text) => call.warn(text));
  const bare = withStatusOf(def, withServerFields(known, undefined), undefined);
  await api.registry.cache.sync();
  return createPrepared(api, call, bare, params, (object) =>
    trackUpdate(undefined, object, writeBy(def, params.manager, '', api.clock)),
  );
}

/** Names, validates, admits and stores `object`, whose managers `track` adds. */
export async function createPrepared(
  api: Api,
  { def, identity }: ResourceCall,
  object: JsonObject,
  params: WriteParams,
  track: (object: JsonObject) => JsonObject,
): Promise<Obj> {
  const metadata = metadataOf(object);
  const prefix = textAt(metadata, 'generateName');
  const generates = own(metadata, 'name') === undefined && prefix !== '';
  for (let tries = 1; ; tries++) {
    const named = generates
      ? { ...object, metadata: { ...metadata, name: `${prefix}${randomSuffix()}` } }
      : object;
    const checked = track(valid(def, named) as unknown as JsonObject) as unknown as Obj;
    try {
      return await admitCreate(api, def, identity, checked, (admitted) =>
        storeNew(api, def, admitted, params.dryRun),
      );
    } catch (error) {
      if (!generates || tries === maxNameTries || !isTaken(error)) throw error;
    }
  }
}

const isTaken = (error: unknown): boolean =>
  error instanceof Error && 'reason' in error && error.reason === 'AlreadyExists';
