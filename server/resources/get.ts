/** GET of one object. */
import type { Obj } from '../../api-schemas/index.ts';
import type { Api, ResourceCall } from '../types.ts';
import { notFound } from './errors.ts';
import { cached } from './store-write.ts';
import { reach } from './version.ts';

/** As new as all that was committed before the call, unless `resourceVersion=0` is given. Throws 404. */
export async function get(
  api: Api,
  call: Pick<ResourceCall, 'def' | 'namespace' | 'name' | 'query' | 'warn'>,
): Promise<Obj> {
  const { def, namespace, name, query } = call;
  await reach(api, query.get('resourceVersion'), (text) => call.warn(text));
  const object = cached(api, def, namespace, name);
  if (object === undefined) throw notFound(def, name);
  return object;
}
