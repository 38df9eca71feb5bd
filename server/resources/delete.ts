/** DELETE of one object and of a collection. */
import type { Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import { isNotFound } from '../../kit/errors.ts';
import type { RemoveOptions } from '../../store/types.ts';
import { admitDelete } from '../admission/index.ts';
import { isList, isObject, own, type Json, type JsonObject } from '../apply/value.ts';
import type { Api, ResourceCall } from '../types.ts';
import { badRequest, conflict, notFound } from './errors.ts';
import { textAt } from './input.ts';
import { list, type Listing } from './list.ts';
import { boolOf, dryRunOf } from './params.ts';
import { cached } from './store-write.ts';
import { liveObject } from './update.ts';

export interface DeleteParams {
  readonly dryRun: boolean;
  readonly options: RemoveOptions;
}

/** From the body (`DeleteOptions`), which kubectl uses, and the query. Throws 400. */
export function deleteParams(query: URLSearchParams, body: JsonObject): DeleteParams {
  const inBody = own(body, 'dryRun');
  const dryRun = dryRunOf([...query.getAll('dryRun'), ...(isList(inBody) ? inBody : [])]);
  const preconditions = own(body, 'preconditions');
  const wanted = isObject(preconditions) ? preconditions : {};
  const uid = textAt(wanted, 'uid');
  const resourceVersion = textAt(wanted, 'resourceVersion');
  const propagation = propagationOf(query, body);
  return {
    dryRun,
    options: {
      ...(uid === '' ? {} : { uid }),
      ...(resourceVersion === '' ? {} : { resourceVersion }),
      ...(propagation === undefined ? {} : { propagation }),
    },
  };
}

function propagationOf(query: URLSearchParams, body: JsonObject): RemoveOptions['propagation'] {
  const given: Json = own(body, 'propagationPolicy') ?? query.get('propagationPolicy') ?? '';
  if (given === 'Background' || given === 'Foreground' || given === 'Orphan') return given;
  if (given !== '') {
    throw badRequest(
      `invalid propagationPolicy ${JSON.stringify(given)}: supported values: "Background", "Foreground", "Orphan"`,
    );
  }
  if (own(body, 'orphanDependents') === true || boolOf(query, 'orphanDependents')) return 'Orphan';
  return undefined;
}

/** The object while finalizers keep it, else a Status that says what is gone. Throws 403, 404, 409. */
export async function remove(api: Api, call: ResourceCall, params: DeleteParams): Promise<Obj | object> {
  const live = await liveObject(api, call);
  const left = await removeOne(api, call.def, live, params);
  return left ?? gone(call.def, live);
}

async function removeOne(
  api: Api,
  def: AnyKindDef,
  live: Obj,
  { dryRun, options }: DeleteParams,
): Promise<Obj | undefined> {
  admitDelete(def, live);
  const { name, namespace = '' } = live.metadata;
  if (dryRun) {
    checkPreconditions(def, live, options);
    return (live.metadata.finalizers ?? []).length > 0 ? live : undefined;
  }
  try {
    return await api.registry.remove({ kind: def.kind, namespace, name }, options);
  } catch (error) {
    if (isNotFound(error)) throw notFound(def, name);
    throw error;
  }
}

function checkPreconditions(
  def: AnyKindDef,
  { metadata }: Obj,
  { uid, resourceVersion }: RemoveOptions,
): void {
  if (uid !== undefined && uid !== metadata.uid) {
    throw conflict(
      def,
      metadata.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid ?? ''}`,
    );
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw conflict(
      def,
      metadata.name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion ?? ''}`,
    );
  }
}

const gone = (def: AnyKindDef, { metadata }: Obj): object => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Success',
  details: { name: metadata.name, group: def.group, kind: def.plural, uid: metadata.uid },
});

/** Deletes what the selectors match, all of it or, when one is refused, what came before it. */
export async function removeCollection(api: Api, call: ResourceCall, params: DeleteParams): Promise<Listing> {
  const found = await list(api, call);
  const { options, dryRun } = params;
  for (const object of found.items) {
    const uid = object.metadata.uid;
    const again: DeleteParams = { dryRun, options: { ...options, ...(uid === undefined ? {} : { uid }) } };
    try {
      await removeOne(api, call.def, object, again);
    } catch (error) {
      if (
        !isNotFound(error) &&
        cached(api, call.def, object.metadata.namespace ?? '', object.metadata.name)?.metadata.uid === uid
      )
        throw error;
    }
  }
  return found;
}
