/**
 * The annotation of client-side apply. `kubectl apply --server-side` takes over, without conflict, what the
 * annotation shows that `kubectl apply` had set; only for the manager named `kubectl`, as upstream.
 */
import { compare } from './compare.ts';
import { difference, emptyFieldSet, type FieldSet } from './fieldset.ts';
import type { FieldType } from './schema.ts';
import { toFieldSet } from './to-fieldset.ts';
import { isObject, own, type Json, type JsonObject } from './value.ts';

export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';
const maxAnnotationBytes = 256 * 1024;

export function annotationOf(object: JsonObject): string | undefined {
  const metadata = own(object, 'metadata');
  const annotations = isObject(metadata) ? own(metadata, 'annotations') : undefined;
  const value = isObject(annotations) ? own(annotations, lastAppliedAnnotation) : undefined;
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The fields that are still as client-side apply set them. */
export function fieldsLastApplied(live: JsonObject, type: FieldType): FieldSet {
  const text = annotationOf(live);
  if (text === undefined) return emptyFieldSet;
  // The annotation is the client's: whatever is in it must not fail the request.
  try {
    const last = JSON.parse(text) as Json;
    if (!isObject(last) || own(last, 'apiVersion') !== own(live, 'apiVersion')) return emptyFieldSet;
    const { added, modified, removed } = compare(last, live, type);
    return [added, modified, removed].reduce(difference, toFieldSet(last, type));
  } catch {
    return emptyFieldSet;
  }
}

/** `object` with the annotation set to `config`; as it is when it has none or `config` is too large for one. */
export function refreshLastApplied(object: JsonObject, config: JsonObject): JsonObject {
  if (annotationOf(object) === undefined) return object;
  const text = `${JSON.stringify(withAnnotation(config, undefined))}\n`;
  return withAnnotation(object, Buffer.byteLength(text) > maxAnnotationBytes ? undefined : text);
}

function withAnnotation(object: JsonObject, text: string | undefined): JsonObject {
  const metadata = own(object, 'metadata');
  const meta = isObject(metadata) ? metadata : {};
  const annotations = own(meta, 'annotations');
  const { [lastAppliedAnnotation]: _old, ...rest } = isObject(annotations) ? annotations : {};
  const next: JsonObject = text === undefined ? rest : { ...rest, [lastAppliedAnnotation]: text };
  return { ...object, metadata: { ...meta, annotations: next } };
}
