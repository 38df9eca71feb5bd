/** What a manager says while its etcd waits for a majority of the others, which may be for ever. */
import { formatAge } from '../../api-schemas/index.ts';
import { systemClock, type Clock } from '../../kit/clock.ts';
import { knownServers } from './known-servers.ts';
import type { ManagerOptions } from './manager-options.ts';

/** A cluster whose machines all start at once has a majority before that. */
const firstMs = 5_000;
const againMs = 30_000;

/**
 * The result of `work`, the start of a member's etcd; `onWait` hears now and then what it waits for. A manager whose
 * etcd is new, or is still to be taken in, waits for something else and says nothing.
 */
export async function sayingWhoIsAwaited<T>(
  { dataDir, member, clock = systemClock, onWait }: ManagerOptions,
  work: () => Promise<T>,
): Promise<T> {
  if (member?.file.etcd !== 'member') return work();
  const own = `https://${member.file.advertise}`;
  const others = (await knownServers(dataDir, member)).filter((url) => url !== own);
  if (others.length === 0) return work();
  const cancel = nowAndThen(clock, (elapsedMs) => onWait(majorityText(own, others, elapsedMs)));
  try {
    return await work();
  } finally {
    cancel();
  }
}

function nowAndThen(clock: Clock, say: (elapsedMs: number) => void): () => void {
  const began = clock.now();
  let cancel = (): void => undefined;
  const next = (ms: number): void => {
    cancel = clock.after(ms, () => {
      say(clock.now() - began);
      next(againMs);
    });
  };
  next(firstMs);
  return () => cancel();
}

/** Pure. */
export const majorityText = (own: string, others: readonly string[], elapsedMs: number): string =>
  `waiting for a majority of the managers (${formatAge(elapsedMs)}): this is ${address(own)}, and it knows ` +
  `${others.map(address).sort().join(', ')}. Start those that are down; if they run, the log here says why they are ` +
  'not reached. What runs here goes on meanwhile';

const address = (url: string): string => url.replace(/^https:\/\//, '');
