/** What the servers have to do with the replacement of the CA; the managers' part of it is in `cli/compose`. */
import { clusterName } from '../../api-schemas/index.ts';
import type { NextCaAnswer } from '../../api-schemas/cluster-api.ts';
import { digestOf } from '../../kit/certificate.ts';
import { ApiError } from '../../kit/errors.ts';
import type { Cache } from '../../store/types.ts';
import type { ClusterOptions } from './types.ts';

/** Whether the CA is being replaced, or is asked to be. */
export function isRotating(cache: Cache): boolean {
  const { spec, status } = cache.get('Cluster', '', clusterName) ?? {};
  const { rotation = 0, phase = 'Done' } = status?.ca ?? {};
  return phase !== 'Done' || (spec?.ca?.rotation ?? 0) > rotation;
}

/** Why no machine can become a manager now; undefined when it can. One that comes in between has but the old CA. */
export const whyNoManager = (cache: Cache): string | undefined =>
  isRotating(cache)
    ? 'the CA is being replaced, and no manager can be added meanwhile: try again when `orc ca status` says that it is done'
    : undefined;

/** `GET next-ca`: gives another manager the CA of that digest, with its key. Throws 404. */
export function nextCa({ ca, next, logger }: ClusterOptions, digest: string): NextCaAnswer {
  const found = [next?.(), ca()].find((one) => one !== undefined && digestOf(one.cert) === digest);
  if (found === undefined) throw new ApiError(404, 'this manager does not have that CA');
  logger.warn({ digest }, 'another manager was given the key of the next CA');
  return { ca: found.cert, caKey: found.key };
}
