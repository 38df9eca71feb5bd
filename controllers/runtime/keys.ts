import type { Node, Obj, Task } from '../../api-schemas/index.ts';
import type { Cache, Change } from '../../store/types.ts';
import { isDeleting, joinKey, keyOf } from './names.ts';
import { differsForTasks } from './nodes.ts';
import type { ServiceView } from './observe-service.ts';
import type { Outcome } from './outcome.ts';
import type { Key } from './queue.ts';

export const serviceKeys = (cache: Cache): Iterable<Key> => cache.list('Service').map(keyOf);

/** The service whose tasks, revisions or spec changed; all of them when a node changed in a way that matters. */
export function serviceKeysOf(change: Change, cache: Cache): Iterable<Key> {
  const { object } = change;
  switch (object.kind) {
    case 'Service':
      return specChanged(change) ? [keyOf(object)] : [];
    case 'Task':
    case 'Revision':
      return [joinKey(object.metadata.namespace ?? '', (object as Task).spec.service)];
    case 'Node':
      return nodeChanged(change) ? serviceKeys(cache) : [];
    default:
      return [];
  }
}

/** Whether more than the status changed. */
export function specChanged(change: Change): boolean {
  const { object, previous } = change;
  return (
    change.type !== 'MODIFIED' ||
    previous === undefined ||
    previous.metadata.generation !== object.metadata.generation ||
    previous.metadata.uid !== object.metadata.uid ||
    isDeleting(previous) !== isDeleting(object) ||
    metadataOf(previous) !== metadataOf(object)
  );
}

const metadataOf = ({ metadata }: Obj): string =>
  JSON.stringify([metadata.labels, metadata.annotations, metadata.finalizers, metadata.ownerReferences]);

export const nodeChanged = (change: Change): boolean =>
  change.type !== 'MODIFIED' || differsForTasks(change.previous as Node | undefined, change.object as Node);

/**
 * When the next pass of a service is due, and how long it waits for more changes: nothing for small ones, so that a killed
 * container is replaced at once; for large ones a pass costs milliseconds, so changes are taken together.
 */
export const paceOf = (
  { tasks, wakeAtMs }: Pick<ServiceView, 'tasks' | 'wakeAtMs'>,
  nowMs: number,
): Outcome => ({
  ...(tasks.length < 100 ? {} : { cooldownMs: Math.min(100, tasks.length / 50) }),
  ...(wakeAtMs === undefined ? {} : { requeueAfterMs: Math.max(1, wakeAtMs - nowMs) }),
});
