/**
 * Rules about an object's surroundings, asked before each write that users make. (Controllers write through
 * the Registry and are not asked.)
 */
import type { Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import { forbidden } from '../resources/errors.ts';
import type { Api, Identity } from '../types.ts';
import { withFinalizers } from './finalizers.ts';
import { checkImmutable } from './immutable.ts';
import { checkNamespace, protectedNamespaces } from './namespaces.ts';
import { checkNodeRole } from './node-role.ts';
import { withPortsChecked } from './ports.ts';
import { checkCreatable, checkWritable } from './read-only.ts';

type Store = (object: Obj) => Promise<Obj>;

/** Admits a new object and stores it. Throws 403, 404, 422. */
export async function admitCreate(
  api: Api,
  def: AnyKindDef,
  _identity: Identity,
  object: Obj,
  store: Store,
): Promise<Obj> {
  checkCreatable(def, object.metadata.name);
  if (def.namespaced) checkNamespace(api, def, object);
  const admitted = withFinalizers(def, object);
  return withPortsChecked(api, def, undefined, admitted, () => store(admitted));
}

/** Admits a change and stores it. Throws 403, 422. */
export async function admitUpdate(
  api: Api,
  def: AnyKindDef,
  _identity: Identity,
  { live, object, subresource }: { readonly live: Obj; readonly object: Obj; readonly subresource: string },
  store: Store,
): Promise<Obj> {
  checkWritable(def, live, object);
  if (subresource === 'status') return store(object);
  checkImmutable(def, live, object);
  checkNodeRole(api.registry.cache, def, live, object);
  const admitted = live.metadata.deletionTimestamp === undefined ? withFinalizers(def, object) : object;
  return withPortsChecked(api, def, live, admitted, () => store(admitted));
}

/** Throws 403. */
export function admitDelete(def: AnyKindDef, live: Obj): void {
  if (def.kind === 'Namespace' && protectedNamespaces.includes(live.metadata.name)) {
    throw forbidden(def, live.metadata.name, 'this namespace may not be deleted');
  }
  // What an owner left behind (`orphan`) is nobody's: it can be cleared away.
  const isOwned = (live.metadata.ownerReferences ?? []).length > 0;
  if (def.readOnly.includes('delete') && (isOwned || !def.namespaced)) {
    throw forbidden(
      def,
      live.metadata.name,
      `${def.plural} are made and removed by a controller; delete what they belong to (${ownerOf(live)})`,
    );
  }
}

function ownerOf({ metadata }: Obj): string {
  const [owner] = metadata.ownerReferences ?? [];
  return owner === undefined ? 'their service' : `${owner.kind.toLowerCase()} ${JSON.stringify(owner.name)}`;
}
