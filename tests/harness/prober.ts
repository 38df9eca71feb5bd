/**
 * Writes all the time, through every server at once, and remembers what was accepted: how long a cluster takes no
 * writes, and whether it forgets one that it had taken.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Lease } from '../../api-schemas/index.ts';
import { Client, type TlsIdentity } from '../../client/index.ts';

/** Of each writer; one after another is written, so that an accepted write is in one of them for ever. */
const objectsPerWriter = 20;
const timeoutMs = 1_000;
const pauseMs = 25;

export interface Write {
  readonly server: string;
  readonly object: string;
  /** What was written; counts up in an object. */
  readonly value: number;
  /** ms since the epoch */
  readonly sentAt: number;
  readonly endedAt: number;
  /** Why it was not accepted; it may have been made all the same. */
  readonly error?: string;
}

export interface Prober {
  stop(): Promise<readonly Write[]>;
}

export function startProber(endpoints: readonly string[], tls: TlsIdentity): Prober {
  const writes: Write[] = [];
  let isOver = false;
  const writer = async (server: string, index: number): Promise<void> => {
    const client = new Client({
      endpoints: [server],
      tls,
      userAgent: 'orc-prober',
      requestTimeoutMs: timeoutMs,
    });
    for (let value = 1; !isOver; value++) {
      const object = `probe-${index}-${value % objectsPerWriter}`;
      const sentAt = Date.now();
      const error = await write(client, object, value);
      writes.push({
        server,
        object,
        value,
        sentAt,
        endedAt: Date.now(),
        ...(error === undefined ? {} : { error }),
      });
      await delay(pauseMs);
    }
    client.close();
  };
  const writers = Promise.all(endpoints.map(writer));
  return {
    async stop() {
      isOver = true;
      await writers;
      return writes;
    },
  };
}

/** As `orc apply` would; answers with what went wrong. */
async function write(client: Client, name: string, value: number): Promise<string | undefined> {
  const lease: Lease = {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace: 'default' },
    spec: { leaseTransitions: value },
  };
  try {
    // Also for a server that takes long to say that it cannot.
    await client.apply(lease, { fieldManager: 'prober', signal: AbortSignal.timeout(timeoutMs) });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * From a moment until writes are accepted again, in ms: the end of the longest time without an accepted write that was
 * under way at that moment or began within 3 s after it.
 */
export function outageMs(writes: readonly Write[], fromMs: number): number {
  const accepted = acceptedAt(writes);
  let longest = { from: 0, until: 0 };
  for (const [i, from] of accepted.entries()) {
    const until = accepted[i + 1];
    if (until === undefined || until < fromMs || from > fromMs + 3_000) continue;
    if (until - from > longest.until - longest.from) longest = { from, until };
  }
  return Math.max(0, longest.until - fromMs);
}

const acceptedAt = (writes: readonly Write[]): readonly number[] =>
  writes
    .filter(({ error }) => error === undefined)
    .map(({ endedAt }) => endedAt)
    .sort((a, b) => a - b);

/** Accepted writes that the store has not: each object holds at least the last value that was accepted for it. */
export function lostWrites(writes: readonly Write[], stored: readonly Lease[]): readonly Write[] {
  const values = new Map(stored.map(({ metadata, spec }) => [metadata.name, spec.leaseTransitions ?? 0]));
  return writes.filter(
    ({ error, object, value }) => error === undefined && (values.get(object) ?? 0) < value,
  );
}
