/** What a change is to a watcher that sees only a part of the objects. */
import type { Obj } from '../../api-schemas/index.ts';
import type { Change, WatchEventType } from '../../store/types.ts';

export interface Seen {
  readonly type: WatchEventType;
  readonly object: Obj;
}

/**
 * An object that begins to match is ADDED; one that ceases to is DELETED, as it was, with the resourceVersion
 * of the change. Undefined: the watcher sees nothing of it.
 */
export function translate(change: Change, matches: (object: Obj) => boolean): Seen | undefined {
  const { type, object, previous } = change;
  const before = previous !== undefined && matches(previous);
  if (type === 'DELETED') return before ? { type, object } : undefined;
  const after = matches(object);
  if (after) return { type: before ? 'MODIFIED' : 'ADDED', object };
  if (!before) return undefined;
  return {
    type: 'DELETED',
    object: {
      ...previous,
      metadata: {
        ...previous.metadata,
        resourceVersion: object.metadata.resourceVersion ?? String(change.revision),
      },
    },
  };
}
