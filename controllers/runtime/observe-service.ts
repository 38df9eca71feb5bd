import type { Node, Revision, Service, Task } from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';
import { nodesByName } from './cache.ts';
import { nodesFor } from './lost.ts';
import { isDeleting, isOwnedBy, keyOf, splitKey } from './names.ts';
import { policyOf } from './policy.ts';
import type { Since } from './sightings.ts';

/** A service with all that belongs to it. */
export interface ServiceView {
  readonly service: Service;
  /** Those that this very service owns, not a predecessor of its name. */
  readonly revisions: readonly Revision[];
  readonly tasks: readonly Task[];
  /** As this service sees them: see `lost.ts`. */
  readonly nodes: ReadonlyMap<string, Node>;
  /** Nodes that have not had the time to say what became of their tasks; none when absent. */
  readonly justBack?: ReadonlySet<string>;
  /** When a pass is due although nothing changes. */
  readonly wakeAtMs?: number;
}

/** Reads a service once; undefined when it is gone or going: what it owns is then the garbage collector's. */
export function observeService(
  cache: Cache,
  key: string,
  nowMs: number,
  since: Since,
): ServiceView | undefined {
  const { namespace, name } = splitKey(key);
  const service = cache.get('Service', namespace, name);
  if (service === undefined || isDeleting(service)) return undefined;
  const mine = keyOf(service);
  const { nodes, wakeAtMs, justBack } = nodesFor(policyOf(service), nodesByName(cache), nowMs, since);
  return {
    service,
    revisions: cache.by('Revision', 'service', mine).filter((one) => isOwnedBy(one, service)),
    tasks: cache.by('Task', 'service', mine).filter((one) => isOwnedBy(one, service)),
    nodes,
    justBack,
    ...(wakeAtMs === undefined ? {} : { wakeAtMs }),
  };
}
