/** GET of one object. */
import type { Obj } from '../../api-schemas/index.ts';
import type { Api, ResourceCall } from '../types.ts';
import { notFound } from './errors.ts';
import { cached } from './store-write.ts';
import { reach } from './version.ts';

/** As new as all that was committed before the call, unless `resourceVersion=0` is given. Throws 404. */
export async function get(
  api: Api,
  { def, namespace, name, query }: Pick<ResourceCall, 'def' | 'namespace' | 'name' | 'query'>,
): Promise<Obj> {
  await reach(api, query.get('resourceVersion'));
  const object = cached(api, def, namespace, name);
  if (object === undefined) throw notFound(def, name);
  return object;
}
