import { isAlreadyExists, isNotFound } from '../../kit/errors.ts';
import type { Revision } from '../../api-schemas/index.ts';
import type { Registry } from '../../store/types.ts';
import { isDeleting, ownerOf } from '../runtime/names.ts';
import { Waiting } from '../runtime/outcome.ts';
import type { Step } from './plan.ts';

/** Orphans have been adopted by now: it is a predecessor's, which the garbage collector takes away, or another's. */
function whoHas({ metadata }: Revision, { cache }: Registry): string {
  const other = cache.get('Revision', metadata.namespace ?? '', metadata.name);
  const owner = other === undefined || isDeleting(other) ? undefined : ownerOf(other);
  return owner === undefined
    ? `revision ${metadata.name} is being deleted`
    : `revision ${metadata.name} belongs to ${owner.kind} ${owner.name} (uid ${owner.uid})`;
}

/** Does one step. Doing it again after a crash is harmless. */
export async function apply(step: Step, registry: Registry): Promise<void> {
  switch (step.kind) {
    case 'CreateRevision':
      try {
        await registry.create(step.revision);
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        throw new Waiting('RevisionExists', 200, whoHas(step.revision, registry));
      }
      return;
    case 'SetRevision': {
      const { revision, replicas, number } = step;
      await registry.update<Revision>({ ...revision, spec: { ...revision.spec, replicas, number } });
      return;
    }
    case 'DeleteRevision': {
      const { name, namespace = '', uid, resourceVersion } = step.revision.metadata;
      try {
        await registry.remove(
          { kind: 'Revision', namespace, name },
          {
            ...(uid === undefined ? {} : { uid }),
            ...(resourceVersion === undefined ? {} : { resourceVersion }),
          },
        );
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      return;
    }
  }
}
