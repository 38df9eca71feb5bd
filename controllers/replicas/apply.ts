import { isAlreadyExists, isNotFound } from '../../kit/errors.ts';
import type { Task } from '../../api-schemas/index.ts';
import type { ObjectRef, Registry } from '../../store/types.ts';
import { finalizer } from '../runtime/names.ts';
import { Waiting } from '../runtime/outcome.ts';
import type { Step } from './plan.ts';

/** Does one step. Doing it again after a crash is harmless. */
export async function apply(step: Step, registry: Registry): Promise<void> {
  const { task } = step;
  const ref: ObjectRef = {
    kind: 'Task',
    namespace: task.metadata.namespace ?? '',
    name: task.metadata.name,
  };
  const uid = task.metadata.uid === undefined ? {} : { uid: task.metadata.uid };
  switch (step.kind) {
    case 'CreateTask':
      try {
        await registry.create(task);
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
        throw new Waiting('TaskExists', 200, `task ${task.metadata.name} exists already`);
      }
      return;
    case 'RetireTask':
      await gone(() =>
        registry.modify<Task>(ref, (current) =>
          current.metadata.uid !== task.metadata.uid || current.spec.desiredState === 'Shutdown'
            ? undefined
            : { ...current, spec: { ...current.spec, desiredState: 'Shutdown' } },
        ),
      );
      return;
    case 'SetStopOnClient':
      await gone(() =>
        registry.modify<Task>(ref, (current) => {
          if (current.metadata.uid !== task.metadata.uid) return undefined;
          const { stopOnClientAfter: _before, ...spec } = current.spec;
          const after = step.after === undefined ? {} : { stopOnClientAfter: step.after };
          return { ...current, spec: { ...spec, ...after } };
        }),
      );
      return;
    case 'DeleteTask':
      await gone(() => registry.remove(ref, { ...uid, ...preconditionOf(task) }));
      return;
    case 'ForgetTask':
      await gone(() => registry.remove(ref, uid));
      await gone(() =>
        registry.modify<Task>(ref, (current) => {
          if (current.metadata.uid !== task.metadata.uid) return undefined;
          const finalizers = (current.metadata.finalizers ?? []).filter((f) => f !== finalizer.container);
          return { ...current, metadata: { ...current.metadata, finalizers } };
        }),
      );
      return;
  }
}

/** A task that has no node is deleted only as it was seen: the scheduler may just be binding it. */
const preconditionOf = ({ spec, metadata }: Task): { resourceVersion?: string } =>
  spec.nodeName === undefined && metadata.resourceVersion !== undefined
    ? { resourceVersion: metadata.resourceVersion }
    : {};

async function gone(write: () => Promise<unknown>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
