import { isAlreadyExists, isNotFound } from '../../kit/errors.ts';
import type { Revision } from '../../api-schemas/index.ts';
import type { Registry } from '../../store/types.ts';
import { Waiting } from '../runtime/outcome.ts';
import type { Step } from './plan.ts';

/** Does one step. Doing it again after a crash is harmless. */
export async function apply(step: Step, registry: Registry): Promise<void> {
  switch (step.kind) {
    case 'CreateRevision':
      try {
        await registry.create(step.revision);
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        // Of the service's predecessor of the same name, which the garbage collector takes away.
        throw new Waiting('RevisionExists', 200, `revision ${step.revision.metadata.name} is being deleted`);
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
