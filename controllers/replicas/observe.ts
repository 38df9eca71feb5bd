import type { Endpoints } from '../../api-schemas/index.ts';
import type { Cache } from '../../store/types.ts';
import { isOwnedBy, splitKey } from '../runtime/names.ts';
import { observeService, type ServiceView } from '../runtime/observe-service.ts';
import type { Since } from '../runtime/sightings.ts';

export interface Seen extends ServiceView {
  readonly endpoints: Endpoints | undefined;
}

/** Reads what one pass needs; undefined when the service is gone or going. */
export function observe(cache: Cache, key: string, nowMs: number, since: Since): Seen | undefined {
  const view = observeService(cache, key, nowMs, since);
  if (view === undefined) return undefined;
  const { namespace, name } = splitKey(key);
  const endpoints = cache.get('Endpoints', namespace, name);
  const isOurs = endpoints !== undefined && isOwnedBy(endpoints, view.service);
  return { ...view, endpoints: isOurs ? endpoints : undefined };
}
