import type { Clock } from '../../kit/clock.ts';
import type { Cache } from '../../store/types.ts';
import { dialable, liveServers, sessionsPerServer, urlOfServer } from './peers.ts';

/** How long a server bears more than its share before it acts: others may only be starting. */
const patienceMs = 60_000;
const lookMs = 5_000;
/** Asked at a time, at most. */
const fewest = 1;
const most = 10;

export interface Shares {
  readonly mine: number;
  /** Of each live server, this one's included. */
  readonly all: readonly number[];
}

const shareOf = ({ all }: Shares): number => Math.ceil(all.reduce((sum, n) => sum + n, 0) / all.length);

/** Whether this server has clearly more sessions than its share. */
export function isOverloaded(shares: Shares): boolean {
  const share = shareOf(shares);
  return shares.all.length > 1 && shares.mine > share + Math.max(2, share / 5);
}

/** How many to ask now; 0 once the share is reached. */
export function countToMove(shares: Shares): number {
  const surplus = shares.mine - shareOf(shares);
  if (shares.all.length < 2 || surplus <= 0) return 0;
  return Math.min(surplus, most, Math.max(fewest, Math.ceil(shares.mine / 20)));
}

export interface SpreadOptions {
  readonly cache: Cache;
  readonly serverName: string;
  readonly clock: Clock;
  /** Sessions that may be asked to go. */
  readonly movable: () => readonly string[];
  readonly ask: (node: string, to: readonly string[]) => void;
  readonly random?: () => number;
}

/** Keeps the sessions spread over the servers: asks a few agents at a time to go where there are fewer. */
export function keepSpread(options: SpreadOptions): { close(): void } {
  const { cache, serverName, clock, movable, ask, random = Math.random } = options;
  let overSinceMs: number | undefined;
  const look = (): void => {
    const counts = sessionsPerServer(cache, [...new Set([...liveServers(cache), serverName])]);
    const shares: Shares = { mine: counts.get(serverName) ?? 0, all: [...counts.values()] };
    if (isOverloaded(shares)) overSinceMs ??= clock.now();
    const count = countToMove(shares);
    if (count === 0) overSinceMs = undefined;
    if (overSinceMs === undefined || clock.now() - overSinceMs < patienceMs) return;
    const emptiest = [...counts].filter(([name]) => name !== serverName).sort(([, a], [, b]) => a - b);
    const to = dialable(emptiest.slice(0, 1).map(([name]) => urlOfServer(cache, name) ?? ''));
    const nodes = movable()
      .map((node) => ({ node, at: random() }))
      .sort((a, b) => a.at - b.at);
    for (const { node } of nodes.slice(0, count)) ask(node, to);
  };
  let cancel = (): void => undefined;
  const next = (): void => {
    cancel = clock.after(lookMs, () => {
      look();
      next();
    });
  };
  next();
  return { close: () => cancel() };
}
