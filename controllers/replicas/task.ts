import { networksOf, type Revision, type Service, type Task } from '../../api-schemas/index.ts';
import {
  annotation,
  apiVersion,
  finalizer,
  label,
  nameWithSuffix,
  ownerReference,
  shortHash,
} from '../runtime/names.ts';

export interface NewTask {
  readonly service: Service;
  readonly revision: Revision;
  /** Number of the slot, or the node of a global service. */
  readonly slot: string;
  readonly isGlobal: boolean;
  /** The slot's newest task, of whatever revision. */
  readonly previous: Task | undefined;
  /** Its place in the sequence of the slot's tasks. */
  readonly run: number;
  readonly restarts: number;
  readonly notBefore?: string;
  readonly stopOnClientAfter: string | undefined;
  readonly restartCondition: 'any' | 'on-failure' | 'none';
  /** RFC 3339. */
  readonly now: string;
}

/** Returns the task for a slot. Its name follows from what it replaces, so a repeat of the pass makes the same. */
export function newTask({
  service,
  revision,
  slot,
  isGlobal,
  previous,
  run,
  restarts,
  notBefore,
  stopOnClientAfter,
  restartCondition,
  now,
}: NewTask): Task {
  const { name, namespace = '', uid = '', labels, generation = 1 } = service.metadata;
  const stack = labels?.[label.stack];
  // A slot that is opened again after its history went is another spec's: its task gets another name.
  const before = previous?.metadata.uid ?? String(generation);
  const networks = networksOf(revision.spec.template).map((network) => network.name);
  const hash = shortHash(5, uid, slot, revision.metadata.uid ?? '', before);
  return {
    apiVersion,
    kind: 'Task',
    metadata: {
      name: nameWithSuffix(`${name}-${slot}`, hash),
      namespace,
      labels: {
        [label.service]: name,
        [label.slot]: slot.slice(0, 63),
        [label.revision]: revision.metadata.name,
        ...(stack === undefined ? {} : { [label.stack]: stack }),
      },
      annotations: { [annotation.run]: String(run) },
      ownerReferences: [ownerReference(service)],
      ...(isGlobal ? { finalizers: [finalizer.container] } : {}),
    },
    spec: {
      service: name,
      revision: revision.metadata.name,
      ...(isGlobal ? { nodeName: slot } : { slot: Number(slot) }),
      desiredState: 'Running',
      ...(networks.length === 0 ? {} : { networks }),
      ...(notBefore === undefined ? {} : { notBefore }),
      ...(stopOnClientAfter === undefined ? {} : { stopOnClientAfter }),
      ...(restartCondition === 'any' ? {} : { restartCondition }),
      ...(restarts === 0 ? {} : { restarts }),
    },
    status: isGlobal
      ? {
          state: 'Assigned',
          since: now,
          conditions: [
            {
              type: 'Scheduled',
              status: 'True',
              reason: 'GlobalService',
              message: `one task on each fitting node; this one is for ${slot}`,
              lastTransitionTime: now,
            },
          ],
        }
      : { state: 'New', since: now },
  };
}
