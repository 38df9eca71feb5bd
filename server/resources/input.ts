/** What a client sent, made into an object of the kind its path names, or refused. */
import { pruneUnknown, unknownFields, validate, type AnyKindDef, type Obj } from '../../api-schemas/index.ts';
import { ApiError } from '../../kit/errors.ts';
import { isList, isObject, own, put, type Json, type JsonObject } from '../apply/value.ts';
import { badRequest, invalid } from './errors.ts';
import type { FieldValidation } from './params.ts';

/** Fields of metadata that the server writes; what a client sends in them is not looked at. */
const serverOwned = [
  'uid',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
] as const;

export const metadataOf = (object: JsonObject): JsonObject => {
  const metadata = own(object, 'metadata');
  return isObject(metadata) ? metadata : {};
};

export const textAt = (object: JsonObject, key: string): string => {
  const value = own(object, key);
  return typeof value === 'string' ? value : '';
};

/** Without the fields that are null: they count as absent. */
export function withoutNulls(value: Json): Json {
  if (isList(value)) return value.map(withoutNulls);
  if (!isObject(value)) return value;
  const out: Record<string, Json> = {};
  for (const key of Object.keys(value)) {
    const child = own(value, key);
    if (child !== undefined && child !== null) put(out, key, withoutNulls(child));
  }
  return out;
}

/**
 * Checks that the body is for this path and completes it: kind and apiVersion of core kinds, namespace, name.
 * Throws 400.
 */
export function identified(
  def: AnyKindDef,
  body: JsonObject,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): JsonObject {
  const kind = textAt(body, 'kind');
  const apiVersion = textAt(body, 'apiVersion');
  const core = def.group === '' || def.group.endsWith('.k8s.io');
  if ((kind === '' || apiVersion === '') && !core) {
    throw badRequest(`the body must have apiVersion and kind: expected ${def.apiVersion}, ${def.kind}`);
  }
  if ((kind !== '' && kind !== def.kind) || (apiVersion !== '' && apiVersion !== def.apiVersion)) {
    throw badRequest(
      `the object provided is not of the kind that the path names: ${kind || def.kind} of ${apiVersion || def.apiVersion} does not match ${def.kind} of ${def.apiVersion}`,
    );
  }
  const given = own(body, 'metadata');
  if (given !== undefined && given !== null && !isObject(given))
    throw badRequest('metadata must be an object');
  const metadata = metadataOf(body);
  const bodyNamespace = textAt(metadata, 'namespace');
  if (def.namespaced && bodyNamespace !== '' && bodyNamespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
  if (!def.namespaced && bodyNamespace !== '') {
    throw badRequest(`${def.kind} is of cluster scope: metadata.namespace must be empty`);
  }
  const bodyName = own(metadata, 'name') ?? '';
  if (name !== '' && bodyName !== '' && bodyName !== name) {
    throw badRequest(
      `the name of the object (${JSON.stringify(bodyName)}) does not match the name on the URL (${name})`,
    );
  }
  const rest = Object.fromEntries(
    Object.entries(body).filter(([key]) => key !== 'apiVersion' && key !== 'kind'),
  );
  const { namespace: _namespace, name: _name, ...others } = metadata;
  return {
    apiVersion: def.apiVersion,
    kind: def.kind,
    ...rest,
    metadata: {
      ...(name === '' ? (bodyName === '' ? {} : { name: bodyName }) : { name }),
      ...(def.namespaced ? { namespace } : {}),
      ...others,
    },
  };
}

/** `object` with what the server owns taken from `live`, or left out when it is created. */
export function withServerFields(object: JsonObject, live: JsonObject | undefined): JsonObject {
  const metadata: Record<string, Json> = { ...metadataOf(object) };
  const current = live === undefined ? {} : metadataOf(live);
  for (const key of serverOwned) {
    delete metadata[key];
    const value = own(current, key);
    if (value !== undefined) metadata[key] = value;
  }
  return { ...object, metadata };
}

/** `object` with the status of `live`, for kinds whose status is a subresource. */
export function withStatusOf(def: AnyKindDef, object: JsonObject, live: JsonObject | undefined): JsonObject {
  if (!def.subresources.status) return object;
  const { status: _status, ...rest } = object;
  const status = live === undefined ? undefined : own(live, 'status');
  return status === undefined ? rest : { ...rest, status };
}

/**
 * Deals with fields that the schema does not name, as asked: refuses them all (400), warns, or drops them
 * silently. Returns the object without them.
 */
export function withoutUnknown(
  def: AnyKindDef,
  object: JsonObject,
  mode: FieldValidation,
  warn: (text: string) => void,
): JsonObject {
  const causes = unknownFields(object);
  if (causes.length === 0) return object;
  if (mode === 'Strict') {
    const text = causes.map(({ message }) => message).join(', ');
    throw new ApiError(
      400,
      `${def.kind} in version ${JSON.stringify(def.version)} cannot be handled as a ${def.kind}: strict decoding error: ${text}`,
      { details: { causes } },
    );
  }
  if (mode === 'Warn') for (const { message } of causes.slice(0, 20)) warn(message);
  return pruneUnknown(object);
}

/** The object as its kind. Throws 422 with everything that is wrong with it. */
export function valid(def: AnyKindDef, object: JsonObject): Obj {
  const causes = validate(object);
  if (causes.length > 0) throw invalid(def, String(own(metadataOf(object), 'name') ?? ''), causes);
  return object as unknown as Obj;
}
