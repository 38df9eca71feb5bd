/** What the servers have to do with the replacement of the CA; the managers' part of it is in `cli/compose`. */
import { clusterName } from '../../api-schemas/index.ts';
import type { NextCaAnswer } from '../../api-schemas/cluster-api.ts';
import { digestOf } from '../../kit/certificate.ts';
import { ApiError } from '../../kit/errors.ts';
import type { Cache } from '../../store/types.ts';
import type { ClusterCall, ClusterOptions } from './types.ts';

/**
 * The last rotation, when it is done and no other one is asked for; undefined while the CA is being replaced. Who works
 * with the CA for longer compares: what was the same before and after has seen one CA only.
 */
export function settledRotation(cache: Cache): number | undefined {
  const { spec, status } = cache.get('Cluster', '', clusterName) ?? {};
  const { rotation = 0, phase = 'Done' } = status?.ca ?? {};
  return phase === 'Done' && (spec?.ca?.rotation ?? 0) <= rotation ? rotation : undefined;
}

/** Why no machine can become a manager now; undefined when it can. One that comes in between has but the old CA. */
export const whyNoManager = (cache: Cache): string | undefined =>
  settledRotation(cache) === undefined
    ? 'the CA is being replaced, and no manager can be added meanwhile: try again when `orc ca status` says that it is done'
    : undefined;

/** In these the managers hand on the CA that is to issue next. */
const handingOn: readonly string[] = ['Trust', 'Issue', 'Drop'];

/**
 * `GET next-ca`: gives another manager the CA that is to issue next, with its key; who else asks was refused before.
 * Only while a rotation is past `Create`, and only the CA that the Cluster object names: at any other time nobody has
 * a need for a key. Throws 404, and 503 without a quorum.
 */
export async function nextCa(options: ClusterOptions, call: ClusterCall): Promise<NextCaAnswer> {
  const { registry, ca, next, logger } = options;
  const digest = call.query.get('digest') ?? '';
  // Who asks may know more than we do.
  await registry.cache.sync();
  const { phase = 'Done', to } = registry.cache.get('Cluster', '', clusterName)?.status?.ca ?? {};
  if (!handingOn.includes(phase) || digest !== to)
    throw new ApiError(404, 'that CA is not about to issue: a key is given only while the CA is replaced');
  const found = [next?.(), ca()].find((one) => one !== undefined && digestOf(one.cert) === digest);
  if (found === undefined) throw new ApiError(404, 'this manager does not have that CA');
  const { name: user, keyDigest: key } = call.identity;
  logger.warn({ digest, phase, user, key, from: call.from }, 'a manager was given the key of the next CA');
  return { ca: found.cert, caKey: found.key };
}
