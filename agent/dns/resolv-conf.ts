import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { Clock } from '../../kit/clock.ts';

/** glibc takes no more. */
const mostServers = 3;
/** How long a list is taken for true before the file is read again. */
const freshMs = 1_000;

/** The `nameserver` addresses, in order. Other lines are for who asks, not for us. Pure. */
export function nameservers(text: string): readonly string[] {
  const servers = text.split('\n').flatMap((line) => {
    const [, address = ''] = /^\s*nameserver\s+([^\s#;]+)/.exec(line) ?? [];
    return isIP(address.replace(/%.*$/, '')) === 0 ? [] : [address];
  });
  return [...new Set(servers)].slice(0, mostServers);
}

/**
 * The host's resolvers as the file has them now: it is read again at most once a second (a watch would be lost when the
 * file is replaced, as most programs do). While it cannot be read, the last list holds.
 */
export function hostResolvers(clock: Clock, path = '/etc/resolv.conf'): () => Promise<readonly string[]> {
  let list: Promise<readonly string[]> = Promise.resolve([]);
  let readAt = -Infinity;
  return () => {
    if (clock.now() - readAt < freshMs) return list;
    readAt = clock.now();
    const last = list;
    list = readFile(path, 'utf8').then(nameservers, () => last);
    return list;
  };
}
