import { isNotFound } from '../../kit/errors.ts';
import type { Service, Stack } from '../../api-schemas/index.ts';
import type { Registry } from '../../store/types.ts';
import { finalizer } from '../runtime/names.ts';
import type { Step } from './plan.ts';

/** Does one step. Doing it again after a crash is harmless. */
export async function apply(step: Step, stack: Stack, registry: Registry): Promise<void> {
  switch (step.kind) {
    case 'CreateNetwork':
      await registry.create(step.network);
      return;
    case 'DeleteNetwork': {
      const { name, namespace = '', uid } = step.network.metadata;
      await unlessGone(() =>
        registry.remove({ kind: 'Network', namespace, name }, uid === undefined ? {} : { uid }),
      );
      return;
    }
    case 'CreateService':
      await registry.create(step.service);
      return;
    case 'UpdateService': {
      const { current, service } = step;
      const { labels, annotations, ownerReferences } = service.metadata;
      await registry.update<Service>({
        ...current,
        metadata: {
          ...current.metadata,
          ...(labels === undefined ? {} : { labels }),
          ...(ownerReferences === undefined ? {} : { ownerReferences }),
          annotations: { ...current.metadata.annotations, ...annotations },
        },
        spec: service.spec,
      });
      return;
    }
    case 'DeleteService': {
      const { name, namespace = '', uid } = step.service.metadata;
      await unlessGone(() =>
        registry.remove(
          { kind: 'Service', namespace, name },
          { propagation: 'Foreground', ...(uid === undefined ? {} : { uid }) },
        ),
      );
      return;
    }
    case 'TakeFinalizer': {
      const { name, namespace = '', uid } = stack.metadata;
      await unlessGone(() =>
        registry.modify<Stack>({ kind: 'Stack', namespace, name }, (current) => {
          if (current.metadata.uid !== uid) return undefined;
          const finalizers = (current.metadata.finalizers ?? []).filter((f) => f !== finalizer.stack);
          return { ...current, metadata: { ...current.metadata, finalizers } };
        }),
      );
      return;
    }
  }
}

async function unlessGone(write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
