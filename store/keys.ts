import { kindByName, kinds, type KindName, type ObjectMeta } from '../api-schemas/index.ts';

/** Everything orc stores is under this prefix, and everything under it is an object or the sync key. */
export const registryPrefix = '/orc/registry/';
/** First key after the prefix. */
export const registryEnd = '/orc/registry0';
/** Written by consistent reads when only an event of our own shows how far the watch has come. */
export const syncKey = `${registryPrefix}~sync`;

const kindOfPlural = new Map(kinds.map((def) => [def.plural, def]));

/** `services.orc.dev`, `namespaces`: as Kubernetes names a resource in messages. */
export function resourceName(kind: string): string {
  const resource = kindByName(kind as string);
  if (resource === undefined) return kind;
  return resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
}

export interface Ref {
  readonly kind: KindName;
  readonly namespace: string;
  readonly name: string;
}

/** The etcd key of an object. Throws when the kind is unknown or a name could leave its place. */
export function keyOf({ kind, namespace, name }: Ref): string {
  const resource = kindByName(kind as string);
  if (resource === undefined) throw new Error(`There is no kind ${kind}`);
  if (name === '' || name.includes('/')) throw new Error(`"${name}" cannot be the name of an object`);
  if (!resource.namespaced) return `${registryPrefix}${resource.plural}/${name}`;
  if (namespace === '' || namespace.includes('/'))
    throw new Error(`"${namespace}" cannot be the namespace of ${kind} ${name}`);
  return `${registryPrefix}${resource.plural}/${namespace}/${name}`;
}

export const refOf = (object: { readonly kind: string; readonly metadata: ObjectMeta }): Ref => ({
  kind: object.kind as KindName,
  namespace: object.metadata.namespace ?? '',
  name: object.metadata.name,
});

/** What a key names; undefined for a key that is no object of a known kind. */
export function refOfKey(key: string): Ref | undefined {
  const [plural = '', ...rest] = key.slice(registryPrefix.length).split('/');
  const def = kindOfPlural.get(plural);
  if (def === undefined) return undefined;
  const { kind } = def;
  if (!def.namespaced)
    return rest.length === 1 ? { kind, namespace: '', name: rest[0] as string } : undefined;
  return rest.length === 2 ? { kind, namespace: rest[0] as string, name: rest[1] as string } : undefined;
}
