import { ApiError, messageOf } from '../kit/errors.ts';
import { isRpcError } from './connection.ts';
import { kindByName } from '../api-schemas/index.ts';
import { resourceName, type Ref } from './keys.ts';

const detailsOf = ({ kind, name }: Ref): { name: string; group: string; kind: string } => ({
  name,
  group: kindByName(kind as string)?.group ?? '',
  kind: kindByName(kind as string)?.plural ?? kind,
});

export const notFound = (ref: Ref): ApiError =>
  new ApiError(404, `${resourceName(ref.kind)} "${ref.name}" not found`, { details: detailsOf(ref) });

export const alreadyExists = (ref: Ref): ApiError =>
  new ApiError(409, `${resourceName(ref.kind)} "${ref.name}" already exists`, {
    reason: 'AlreadyExists',
    details: detailsOf(ref),
  });

export const beingDeleted = (ref: Ref): ApiError =>
  new ApiError(
    409,
    `${resourceName(ref.kind)} "${ref.name}" already exists: object is being deleted; try again when it is gone`,
    { reason: 'AlreadyExists', details: detailsOf(ref) },
  );

export const conflict = (ref: Ref, why: string): ApiError =>
  new ApiError(409, `Operation cannot be fulfilled on ${resourceName(ref.kind)} "${ref.name}": ${why}`, {
    details: detailsOf(ref),
  });

export const modified = (ref: Ref): ApiError =>
  conflict(
    ref,
    'the object has been modified; please apply your changes to the latest version and try again',
  );

export const fenced = (ref: Ref): ApiError =>
  new ApiError(
    409,
    `Operation cannot be fulfilled on ${resourceName(ref.kind)} "${ref.name}": the writer is no longer the leader`,
    { reason: 'Fenced', details: detailsOf(ref) },
  );

function invalid(ref: Ref, field: string, message: string): ApiError {
  const { group, kind, name } = { ...detailsOf(ref), kind: ref.kind };
  return new ApiError(
    422,
    `${kind}${group === '' ? '' : `.${group}`} "${name}" is invalid: ${field}: ${message}`,
    {
      details: { name, group, kind, causes: [{ reason: 'FieldValueInvalid', message, field }] },
    },
  );
}

export const needsVersion = (ref: Ref): ApiError =>
  invalid(ref, 'metadata.resourceVersion', 'Invalid value: "": must be specified for an update');

export const mayNotAddFinalizers = (ref: Ref, added: readonly string[]): ApiError =>
  invalid(
    ref,
    'metadata.finalizers',
    `Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
  );

export const expired = (from: number, oldest: number): ApiError =>
  new ApiError(410, `too old resource version: ${from} (${oldest})`);

/** etcd's database has reached its quota: it takes no puts until there is room. */
export const storeFull = (cause?: unknown): ApiError =>
  new ApiError(
    503,
    'The store is full (etcd: database space exceeded): nothing can be written until there is room. Delete what is not needed, or raise the quota (etcd --quota-backend-bytes) and restart etcd',
    { reason: 'StoreFull', cause, details: { retryAfterSeconds: 10 } },
  );

export const storeUnavailable = (what: string, cause?: unknown): ApiError =>
  hasNoLeader(cause)
    ? noQuorum(what, cause)
    : new ApiError(503, `The store (etcd) cannot be reached: ${what}`, {
        reason: 'StoreUnavailable',
        cause,
        details: { retryAfterSeconds: 1 },
      });

/** Our member runs and knows no leader: for a moment after one was lost, for longer when a majority is away. */
export const noQuorum = (what: string, cause?: unknown): ApiError =>
  new ApiError(
    503,
    `The store (etcd) has no quorum: ${what}. A majority of the managers must run and reach each other: start those that are down`,
    { reason: 'NoQuorum', cause, details: { retryAfterSeconds: 1 } },
  );

export const hasNoLeader = (error: unknown): boolean =>
  isRpcError(error) && error.details.includes('etcdserver: no leader');

export const outcomeUnknown = (key: string, timeoutMs: number, cause?: unknown): ApiError =>
  new ApiError(
    504,
    `The write of ${key} was not confirmed by etcd within ${timeoutMs / 1000} s: it may or may not have happened`,
    { reason: 'Timeout', cause },
  );

/** How a failed call to etcd is to be treated. */
export type Failure =
  /** It did not reach etcd. */
  | 'notSent'
  /** It may have happened. */
  | 'unknown'
  | 'full'
  | 'tooManyOps'
  | 'tooLarge'
  | 'compacted'
  | 'leaseGone'
  | 'refused';

export function failureOf(error: unknown): Failure {
  if (!isRpcError(error)) return messageOf(error).includes('is closed') ? 'notSent' : 'unknown';
  const text = error.details;
  if (text.includes('database space exceeded')) return 'full';
  if (text.includes('too many operations')) return 'tooManyOps';
  if (text.includes('request is too large') || text.includes('larger than max')) return 'tooLarge';
  if (text.includes('has been compacted')) return 'compacted';
  if (text.includes('requested lease not found')) return 'leaseGone';
  // Refused before it was proposed: there was no leader, or it was handing over.
  if (hasNoLeader(error) || text.includes('raft proposal dropped')) return 'notSent';
  if (error.code === 14) return /No connection established|ECONNREFUSED/.test(text) ? 'notSent' : 'unknown';
  // Cancelled, Unknown, DeadlineExceeded, ResourceExhausted (too many requests), Aborted, Internal
  if ([1, 2, 4, 8, 10, 13].includes(error.code)) return 'unknown';
  return 'refused';
}
