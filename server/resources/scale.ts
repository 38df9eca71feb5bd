/** The scale subresource: `autoscaling/v1 Scale` over a service's replicas. */
import { withDefaults, type Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import { isObject, own, type Json, type JsonObject } from '../apply/value.ts';
import { objectOrThrow } from '../http/body.ts';
import type { Api, ResourceCall } from '../types.ts';
import { badRequest, invalid, notAllowed, stale } from './errors.ts';
import { metadataOf, textAt } from './input.ts';
import type { WriteParams } from './params.ts';
import { retrying, type Patch } from './patch.ts';
import { asJson, checkUid, liveObject, replace } from './update.ts';

type ScalePaths = NonNullable<AnyKindDef['subresources']['scale']>;

function pathsOf(def: AnyKindDef): ScalePaths {
  if (def.subresources.scale === undefined) throw notAllowed();
  return def.subresources.scale;
}

const segments = (path: string): readonly string[] => path.split('.').filter((part) => part !== '');

function valueAt(object: JsonObject, path: string): Json | undefined {
  return segments(path).reduce<Json | undefined>(
    (value, key) => (isObject(value) ? own(value, key) : undefined),
    object,
  );
}

function withValueAt(object: JsonObject, [key, ...rest]: readonly string[], value: Json): JsonObject {
  if (key === undefined) return object;
  if (rest.length === 0) return { ...object, [key]: value };
  const child = own(object, key);
  return { ...object, [key]: withValueAt(isObject(child) ? child : {}, rest, value) };
}

/** The scale of an object; replicas are the default where the user set none. */
export function scaleOf(def: AnyKindDef, object: Obj): JsonObject {
  const paths = pathsOf(def);
  const whole = asJson(withDefaults(object));
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: { replicas: valueAt(whole, paths.specReplicasPath) ?? 0 },
    status: {
      replicas: valueAt(whole, paths.statusReplicasPath) ?? 0,
      selector: valueAt(whole, paths.selectorPath) ?? '',
    },
  };
}

export async function updateScale(
  api: Api,
  call: ResourceCall,
  body: JsonObject,
  params: WriteParams,
): Promise<JsonObject> {
  return setScale(api, call, await liveObject(api, call), body, params);
}

export async function patchScale(
  api: Api,
  call: ResourceCall,
  patch: Patch,
  params: WriteParams,
): Promise<JsonObject> {
  if (patch.kind === 'apply') return updateScale(api, call, patch.config, params);
  return retrying(api, call, patch.versioned, async () => {
    const live = await liveObject(api, call);
    return setScale(api, call, live, objectOrThrow(patch.change(scaleOf(call.def, live))), params);
  });
}

async function setScale(
  api: Api,
  call: ResourceCall,
  live: Obj,
  scale: JsonObject,
  params: WriteParams,
): Promise<JsonObject> {
  const { def, name } = call;
  const metadata = metadataOf(scale);
  const kind = textAt(scale, 'kind');
  if (kind !== '' && kind !== 'Scale') throw badRequest(`the object provided is no Scale but a ${kind}`);
  const bodyName = textAt(metadata, 'name');
  if (bodyName !== '' && bodyName !== name) {
    throw badRequest(
      `the name of the object (${JSON.stringify(bodyName)}) does not match the name on the URL (${name})`,
    );
  }
  const version = textAt(metadata, 'resourceVersion');
  if (version !== '' && version !== live.metadata.resourceVersion) throw stale(def, name);
  checkUid(call, live, metadata);
  const path = pathsOf(def).specReplicasPath;
  const replicas = valueAt(scale, 'spec.replicas') ?? 0;
  if (valueAt(asJson(live), 'spec.mode') === 'global') {
    throw invalid(def, name, [
      {
        reason: 'FieldValueForbidden',
        field: 'spec.replicas',
        message:
          'Forbidden: a service with mode "global" runs one task on each node that fits and cannot be scaled',
      },
    ]);
  }
  const same = replicas === valueAt(scaleOf(def, live), 'spec.replicas');
  const wanted = same ? asJson(live) : withValueAt(asJson(live), segments(path), replicas);
  return scaleOf(def, await replace(api, call, live, wanted, params));
}
