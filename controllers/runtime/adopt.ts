import type { KindName, Obj, Service } from '../../api-schemas/index.ts';
import { isNotFound } from '../../kit/errors.ts';
import type { Cache, Registry } from '../../store/types.ts';
import { isDeleting, ownerOf, ownerReference, splitKey } from './names.ts';

/** Nobody's: left by an owner that was deleted with `orphan`, and not on its way out. */
export const isOrphan = (object: Obj): boolean => ownerOf(object) === undefined && !isDeleting(object);

/**
 * Gives a service what a predecessor of its name left behind: the Revisions first, as a Task of an unknown one
 * would be stopped. Containers go on running as they are; what differs from the new spec is rolled out.
 * Both rooms that act on these objects call it before they look; doing it twice is harmless.
 */
export async function adoptOrphans(cache: Cache, registry: Registry, key: string): Promise<void> {
  const { namespace, name } = splitKey(key);
  const service = cache.get('Service', namespace, name);
  if (service === undefined || isDeleting(service)) return;
  for (const kind of ['Revision', 'Task'] as const) {
    const orphans = cache.by(kind, 'service', key).filter(isOrphan);
    await Promise.all(orphans.map((orphan) => adopt(kind, orphan, service, registry)));
  }
}

async function adopt(kind: KindName, orphan: Obj, service: Service, registry: Registry): Promise<void> {
  const { namespace = '', name, uid } = orphan.metadata;
  try {
    await registry.modify({ kind, namespace, name }, (current) =>
      current.metadata.uid === uid && isOrphan(current)
        ? {
            ...current,
            metadata: {
              ...current.metadata,
              ownerReferences: [...(current.metadata.ownerReferences ?? []), ownerReference(service)],
            },
          }
        : undefined,
    );
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
