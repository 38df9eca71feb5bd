/** Refusals in the words of Kubernetes. */
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import { ApiError, type Cause } from '../../kit/errors.ts';

/** `services.orc.dev`; `namespaces` for the core group. */
export const resourceName = (def: AnyKindDef): string =>
  def.group === '' ? def.plural : `${def.plural}.${def.group}`;

const details = (def: AnyKindDef, name: string): { name: string; group: string; kind: string } => ({
  name,
  group: def.group,
  kind: def.plural,
});

export const notFound = (def: AnyKindDef, name: string): ApiError =>
  new ApiError(404, `${resourceName(def)} ${JSON.stringify(name)} not found`, {
    details: details(def, name),
  });

export const alreadyExists = (def: AnyKindDef, name: string): ApiError =>
  new ApiError(409, `${resourceName(def)} ${JSON.stringify(name)} already exists`, {
    reason: 'AlreadyExists',
    details: details(def, name),
  });

export const beingDeleted = (def: AnyKindDef, name: string): ApiError =>
  new ApiError(
    409,
    `object is being deleted: ${resourceName(def)} ${JSON.stringify(name)} already exists; wait until it is gone (wait --for=delete ${def.singular}/${name}), then create it again`,
    { reason: 'AlreadyExists', details: details(def, name) },
  );

export const conflict = (def: AnyKindDef, name: string, why: string): ApiError =>
  new ApiError(409, `Operation cannot be fulfilled on ${resourceName(def)} ${JSON.stringify(name)}: ${why}`, {
    details: details(def, name),
  });

export const stale = (def: AnyKindDef, name: string): ApiError =>
  conflict(
    def,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  );

export const forbidden = (def: AnyKindDef, name: string, why: string): ApiError =>
  new ApiError(403, `${resourceName(def)} ${JSON.stringify(name)} is forbidden: ${why}`, {
    details: details(def, name),
  });

/** 422 with every cause; the text is what kubectl shows. */
export function invalid(def: AnyKindDef, name: string, causes: readonly Cause[]): ApiError {
  const texts = causes.map(({ field, message }) =>
    field === undefined || field === '' ? message : `${field}: ${message}`,
  );
  const text = texts.length === 1 ? texts.join('') : `[${texts.join(', ')}]`;
  const kind = def.group === '' ? def.kind : `${def.kind}.${def.group}`;
  return new ApiError(422, `${kind} ${JSON.stringify(name)} is invalid: ${text}`, {
    details: { name, group: def.group, kind: def.kind, causes },
  });
}

export const badRequest = (message: string): ApiError => new ApiError(400, message);

export const notAllowed = (): ApiError =>
  new ApiError(405, 'the server does not allow this method on the requested resource');
