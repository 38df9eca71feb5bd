import type { KindName, ObjOf } from '../api-schemas/index.ts';
import type { Client } from './client.ts';
import type { Ref } from './types.ts';

/** The time was up; `last` is the object as last seen, undefined when it is not there. */
export class WaitTimeout<T> extends Error {
  readonly last: T | undefined;

  constructor(message: string, last: T | undefined) {
    super(message);
    this.name = 'WaitTimeout';
    this.last = last;
  }
}

/**
 * Resolves with the object's first state that `predicate` accepts (undefined: the object is not there).
 * Looks at the current state first, then at each change; none is missed. Throws WaitTimeout after
 * `timeoutMs`, the signal's reason when aborted, and what the server refuses with.
 */
export async function waitFor<K extends KindName>(
  client: Client,
  kind: K,
  ref: Ref,
  predicate: (object: ObjOf<K> | undefined) => boolean,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal?: AbortSignal },
): Promise<ObjOf<K> | undefined> {
  const stop = new AbortController();
  const onAbort = (): void => stop.abort();
  signal?.throwIfAborted();
  signal?.addEventListener('abort', onAbort, { once: true });
  const cancel = client.transport.clock.after(timeoutMs, onAbort);
  let last: ObjOf<K> | undefined;
  try {
    const events = client.watch(kind, {
      namespace: ref.namespace ?? 'default',
      fieldSelector: `metadata.name=${ref.name}`,
      signal: stop.signal,
    });
    for await (const event of events) {
      if (event.type === 'BOOKMARK') continue;
      if (event.type === 'SYNC') last = event.items[0];
      else last = event.type === 'DELETED' ? undefined : event.object;
      if (predicate(last)) return last;
    }
    signal?.throwIfAborted();
    throw new WaitTimeout(`${kind} ${ref.name} is not there yet after ${String(timeoutMs / 1000)}s`, last);
  } finally {
    cancel();
    signal?.removeEventListener('abort', onAbort);
  }
}
