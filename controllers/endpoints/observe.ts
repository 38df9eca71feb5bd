import {
  hostPortsOf,
  ingressPortsOf,
  networksOf,
  portsIn,
  withDefaults,
  type Endpoints,
  type Service,
} from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';
import { isOrphan } from '../runtime/adopt.ts';
import { isDeleting, isOwnedBy, keyOf, splitKey } from '../runtime/names.ts';
import { observeService } from '../runtime/observe-service.ts';
import type { Since } from '../runtime/sightings.ts';
import type { Holder, Observed } from './plan.ts';

export interface Seen extends Omit<Observed, 'holders' | 'reserved'> {
  readonly wakeAtMs?: number;
  /** An Endpoints object of that name that is not this service's: a predecessor's, about to go. */
  readonly isBlocked: boolean;
}

/** Reads what one pass needs, but for the ports of others; undefined when the service is gone or going. */
export function observe(cache: Cache, key: string, nowMs: number, since: Since): Seen | undefined {
  const view = observeService(cache, key, nowMs, since);
  if (view === undefined) return undefined;
  const { namespace, name } = splitKey(key);
  const { service, tasks, nodes, wakeAtMs } = view;
  const stored: Endpoints | undefined = cache.get('Endpoints', namespace, name);
  const isOurs =
    stored !== undefined && ((isOwnedBy(stored, service) && !isDeleting(stored)) || isOrphan(stored));
  return {
    service,
    tasks,
    nodes,
    ...(wakeAtMs === undefined ? {} : { wakeAtMs }),
    endpoints: isOurs ? stored : undefined,
    networks: new Map(
      networksOf(service.spec).flatMap((one) => {
        const network = cache.get('Network', namespace, one.name);
        return network === undefined ? [] : [[one.name, network]];
      }),
    ),
    isBlocked: stored !== undefined && !isOurs,
  };
}

/** Ports that others have: explicit ones of older services, and all that were given to any. */
export function holdersFor(cache: Cache, service: Service): readonly Holder[] {
  const me = keyOf(service);
  const holders: Holder[] = [];
  for (const other of cache.list('Service')) {
    const key = keyOf(other);
    if (key === me) continue;
    if ((other.spec.ports ?? []).length === 0) continue;
    const { spec } = withDefaults(other);
    const isOlder = olderFirst(other, service) < 0;
    for (const port of [...ingressPortsOf(spec), ...hostPortsOf(spec)]) {
      if (isOlder && (port.published ?? 0) !== 0) holders.push({ port, service: key });
    }
    const given = cache.get('Endpoints', other.metadata.namespace ?? '', other.metadata.name);
    for (const port of given?.ports ?? []) {
      const isExplicit = (spec.ports ?? [])
        .flatMap(portsIn)
        .some((wish) => wish.published === port.published);
      holders.push({ port, service: key, yields: !isOlder && isExplicit });
    }
  }
  // Of a service that was deleted with `orphan`: its tasks are still reached by their port.
  for (const left of cache.list('Endpoints')) {
    const key = keyOf(left);
    if (key === me || !isOrphan(left)) continue;
    holders.push(...(left.ports ?? []).map((port) => ({ port, service: key })));
  }
  return holders;
}

function olderFirst(a: Service, b: Service): number {
  const [x, y] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (x !== y) return x < y ? -1 : 1;
  return keyOf(a) < keyOf(b) ? -1 : 1;
}
