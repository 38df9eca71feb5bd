import { isDeepStrictEqual } from 'node:util';
import type { Node, NodeStatus } from '../../api-schemas/index.ts';
import { isAlreadyExists, isNotFound } from '../../kit/errors.ts';
import type { Registry } from '../../store/types.ts';

/** Field manager of what a node says of itself. */
const by = { manager: 'orc-gateway' } as const;

/** What the Node object says of its session; `server` and `id` are empty while there is none. */
export type SessionState = NonNullable<NodeStatus['session']>;

/**
 * The node after a registration, a heartbeat or the session's end (`described` is undefined: what was known
 * stays); undefined when nothing changes. Conditions are the nodes controller's.
 */
export function nextNode(
  current: Node,
  described: NodeStatus | undefined,
  session: SessionState,
): Node | undefined {
  const conditions = current.status?.conditions;
  const status: NodeStatus = {
    ...(described ?? current.status ?? {}),
    session,
    ...(conditions === undefined ? {} : { conditions }),
  };
  return isDeepStrictEqual(status, current.status) ? undefined : { ...current, status };
}

/**
 * Makes the Node object say what the node described, creating it (with `labels`) when there is none. Does
 * nothing more once `isOpen` is false, or, unless this is the session's first word, once the object names another
 * session: one that is over must not overwrite the one that replaced it.
 */
export async function writeNode(
  registry: Registry,
  name: string,
  described: NodeStatus,
  labels: Readonly<Record<string, string>>,
  state: SessionState,
  { isFirst, isOpen }: { readonly isFirst: boolean; readonly isOpen: () => boolean },
): Promise<void> {
  const ref = { kind: 'Node', namespace: '', name } as const;
  const mayWrite = (current: Node): boolean =>
    isOpen() && (isFirst || current.status?.session?.id === state.id);
  while (isOpen()) {
    try {
      await registry.modify<Node>(
        ref,
        (current) => (mayWrite(current) ? nextNode(current, described, state) : undefined),
        by,
      );
      return;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    if (!isOpen()) return;
    const metadata = { name, ...(Object.keys(labels).length === 0 ? {} : { labels }) };
    const bare: Node = { apiVersion: 'orc.dev/v1', kind: 'Node', metadata, spec: {} };
    try {
      await registry.create<Node>(nextNode(bare, described, state) ?? bare, by);
      return;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }
}

/** Replaces session `id` of the node (empty: none) in its object; false when the object names another one by now. */
export async function replaceSession(
  registry: Registry,
  name: string,
  id: string,
  state: SessionState,
): Promise<boolean> {
  let isDone = false;
  try {
    await registry.modify<Node>(
      { kind: 'Node', namespace: '', name },
      (current) => {
        isDone = (current.status?.session?.id ?? '') === id;
        return isDone ? nextNode(current, undefined, state) : undefined;
      },
      by,
    );
  } catch (error) {
    if (!isNotFound(error)) throw error;
    return false;
  }
  return isDone;
}
