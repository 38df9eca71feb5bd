import { randomUUID } from 'node:crypto';
import { leaseNamespace, type Lease } from '../api-schemas/index.ts';
import { backoffMs } from '../kit/backoff.ts';
import { sleep, timestamp, type Clock } from '../kit/clock.ts';
import { messageOf } from '../kit/errors.ts';
import type { Logger } from '../kit/log.ts';
import type { Connection } from './connection.ts';
import { keyOf } from './keys.ts';
import { EtcdLease } from './lease.ts';
import { storedForm } from './object.ts';
import type { Cache, Fence } from './types.ts';
import type { Writer } from './writer.ts';

export interface ElectionParts {
  readonly connection: Pick<Connection, 'call' | 'keepAlive'>;
  readonly writer: Pick<Writer, 'submit'>;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface CampaignOptions {
  /**
   * Who campaigns; one name per server. A newer process of the same identity takes the leadership of an older
   * one at once, so that a server that was killed does not wait for its own lease to run out.
   */
  readonly identity: string;
  /** How long a leader that is gone blocks the next one, in seconds. Default 10; etcd's least is 2. */
  readonly ttlSeconds?: number;
  /** Gives up campaigning; `campaign` rejects with its reason. */
  readonly signal?: AbortSignal;
}

export interface Leadership {
  readonly name: string;
  readonly identity: string;
  /** For `WriteOptions.fence`: a write with it commits only while this leadership lasts. */
  readonly fence: Fence;
  /** Fires when the leadership is over, for whatever reason; its reason says why. */
  readonly lost: AbortSignal;
  /** Gives it up, so that the next can lead at once. */
  resign(): Promise<void>;
}

const leaseRef = (name: string) => ({ kind: 'Lease', namespace: leaseNamespace, name }) as const;

export function leaseObject(
  name: string,
  identity: string,
  ttlSeconds: number,
  clock: Clock,
  transitions = 0,
): Lease {
  const now = timestamp(clock);
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: leaseNamespace, uid: randomUUID(), creationTimestamp: now, generation: 1 },
    spec: {
      holderIdentity: identity,
      leaseDurationSeconds: ttlSeconds,
      acquireTime: now,
      renewTime: now,
      leaseTransitions: transitions,
    },
  };
}

/**
 * Resolves when this process leads `name`, with a cache that holds all that earlier leaders wrote. The
 * leadership is a Lease object on an etcd lease: it vanishes with the leader. Tries for as long as it takes.
 */
export async function campaign(
  parts: ElectionParts,
  name: string,
  { identity, ttlSeconds = 10, signal }: CampaignOptions,
): Promise<Leadership> {
  let transitions = 0;
  for (let failures = 0; ;) {
    signal?.throwIfAborted();
    const holder = parts.cache.get('Lease', leaseNamespace, name);
    try {
      if (holder !== undefined) {
        transitions = (holder.spec.leaseTransitions ?? 0) + 1;
        if (holder.spec.holderIdentity === identity) await depose(parts, holder);
        else await vacancy(parts, name, signal);
        failures = 0;
        continue;
      }
      const leadership = await claim(parts, name, identity, ttlSeconds, transitions);
      if (leadership !== undefined) return leadership;
    } catch (error) {
      signal?.throwIfAborted();
      failures++;
      parts.logger.warn({ election: name, error: messageOf(error) }, 'campaigning goes on');
      const wait = backoffMs(failures, { baseMs: 50, maxMs: 2000, random: Math.random });
      await sleep(parts.clock, wait, signal);
    }
  }
}

async function claim(
  parts: ElectionParts,
  name: string,
  identity: string,
  ttlSeconds: number,
  transitions: number,
): Promise<Leadership | undefined> {
  const lease = await EtcdLease.grant({ ...parts, ttlSeconds });
  const object = leaseObject(name, identity, ttlSeconds, parts.clock, transitions);
  const key = keyOf(leaseRef(name));
  try {
    const result = await parts.writer.submit({ key, expect: 0, value: storedForm(object), lease: lease.id });
    await parts.cache.waitFor(result.revision);
    if (result.committed && !lease.lost.aborted) {
      const fence = { key, createRevision: result.revision, manager: managerOf(name) };
      return lead(parts, name, identity, lease, fence, object.metadata.uid ?? '');
    }
  } catch (error) {
    await lease.revoke();
    throw error;
  }
  await lease.revoke();
  return undefined;
}

/** Controllers are field managers by their own names: `controller-rollout` writes as `orc-rollout`. */
const managerOf = (name: string): string => `orc-${name.replace(/^controller-/, '')}`;

function lead(
  parts: ElectionParts,
  name: string,
  identity: string,
  lease: EtcdLease,
  fence: Fence,
  uid: string,
): Leadership {
  const over = new AbortController();
  const lose = (why: string): void => {
    if (over.signal.aborted) return;
    subscription.close();
    parts.logger.info({ election: name, why }, 'leads no more');
    over.abort(new Error(`${identity} leads ${name} no more: ${why}`));
    void lease.revoke();
  };
  const check = (): void => {
    if (parts.cache.get('Lease', leaseNamespace, name)?.metadata.uid !== uid)
      lose('the lease was taken away');
  };
  const subscription = parts.cache.watch('Lease', undefined, { onChanges: check, onReset: check });
  lease.lost.addEventListener('abort', () => lose(messageOf(lease.lost.reason)), { once: true });
  parts.logger.info({ election: name, fence: fence.createRevision }, 'leads');
  check();
  return {
    name,
    identity,
    fence,
    lost: over.signal,
    resign: async () => {
      await lease.revoke();
      lose('it resigned');
    },
  };
}

/** Resolves when the cache shows no holder. */
function vacancy({ cache }: ElectionParts, name: string, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      subscription.close();
      signal?.removeEventListener('abort', onAbort);
    };
    const check = (): void => {
      if (cache.get('Lease', leaseNamespace, name) !== undefined) return;
      done();
      resolve();
    };
    const onAbort = (): void => {
      done();
      reject(signal?.reason as Error);
    };
    const subscription = cache.watch('Lease', undefined, { onChanges: check, onReset: check });
    signal?.addEventListener('abort', onAbort, { once: true });
    check();
  });
}

/** Removes the lease of an older process of the same server. */
async function depose({ writer, cache }: ElectionParts, holder: Lease): Promise<void> {
  const key = keyOf(leaseRef(holder.metadata.name));
  const result = await writer.submit({ key, expect: Number(holder.metadata.resourceVersion) });
  await cache.waitFor(result.revision);
}
