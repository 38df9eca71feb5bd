/** What a command waits for: an object as that command wrote it, and not whatever has its name by then. Pure. */
import type { Obj, Service, Stack, Task } from '../../api-schemas/index.ts';
import { viewAlone, viewStack, type TargetView } from './observe.ts';

export interface WaitTarget {
  readonly kind: 'Stack' | 'Service';
  readonly namespace: string;
  readonly name: string;
  /** An object of another uid is another object: this one is gone. */
  readonly uid: string;
  /** Of the write that is waited for: an older object does not count, and a newer one is somebody else's. */
  readonly generation: number;
}

export const isWaitable = (object: Obj): object is Service | Stack =>
  object.kind === 'Stack' || object.kind === 'Service';

export const targetOf = ({ kind, metadata }: Service | Stack, namespace: string): WaitTarget => ({
  kind,
  namespace: metadata.namespace ?? namespace,
  name: metadata.name,
  uid: metadata.uid ?? '',
  generation: metadata.generation ?? 0,
});

/** How far the target is. `services` and `tasks` may hold those of others. */
export function viewTarget(
  { kind, name, uid, generation }: WaitTarget,
  object: Service | Stack | undefined,
  services: readonly Service[],
  tasks: readonly Task[],
): TargetView {
  if (object === undefined || object.metadata.uid !== uid) {
    return { target: `${kind.toLowerCase()}/${name}`, outcome: 'gone', why: undefined, services: [] };
  }
  const view = object.kind === 'Stack' ? viewStack(object, services, tasks) : viewAlone(object, tasks);
  const { generation: now = 0, deletionTimestamp } = object.metadata;
  if (now < generation) return { ...view, outcome: 'waiting' };
  // Being deleted is told as such, once it is gone.
  if (now > generation && deletionTimestamp === undefined) return { ...view, outcome: 'superseded' };
  return view;
}
