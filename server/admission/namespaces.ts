/** Namespaces: content needs one that exists and stays; two are always there. */
import { kindByName, type Namespace, type Obj } from '../../api-schemas/index.ts';
import type { AnyKindDef } from '../../api-schemas/kinds.ts';
import { isAlreadyExists, isNotFound } from '../../kit/errors.ts';
import { forbidden, notFound } from '../resources/errors.ts';
import type { Registry } from '../../store/types.ts';
import type { Api } from '../types.ts';

export const protectedNamespaces: readonly string[] = ['default', 'orc-system'];

/** Field manager of what the server itself writes. */
const by = { manager: 'orc-server' } as const;

/** Throws 404 when the object's namespace is missing, 403 when it is on its way out. */
export function checkNamespace(api: Api, def: AnyKindDef, { metadata }: Obj): void {
  const namespace = metadata.namespace ?? '';
  const live = api.registry.cache.get('Namespace', '', namespace);
  if (live === undefined) throw notFound(kindByName('Namespace') as unknown as AnyKindDef, namespace);
  if (live.metadata.deletionTimestamp !== undefined) {
    throw forbidden(
      def,
      metadata.name,
      `unable to create new content in namespace ${namespace} because it is being terminated`,
    );
  }
}

/** Creates `default` and `orc-system` where they are missing. */
export async function ensureNamespaces(registry: Registry): Promise<void> {
  for (const name of protectedNamespaces) {
    if (registry.cache.get('Namespace', '', name) !== undefined) continue;
    const namespace: Namespace = {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name, finalizers: ['orc.dev/namespace'] },
      status: { phase: 'Active' },
    };
    try {
      await registry.create(namespace, by);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

/** Says on the namespace that it is on its way out. */
export async function markTerminating(registry: Registry, name: string): Promise<void> {
  try {
    await registry.modify<Namespace>(
      { kind: 'Namespace', namespace: '', name },
      (current) =>
        current.metadata.deletionTimestamp === undefined || current.status?.phase === 'Terminating'
          ? undefined
          : { ...current, status: { ...current.status, phase: 'Terminating' } },
      by,
    );
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
