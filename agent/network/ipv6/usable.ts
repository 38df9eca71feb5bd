import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../../kit/clock.ts';

type Read = (name: string) => string | undefined;

/**
 * Why containers of this node cannot have the IPv6 of a network, with the remedy; undefined when they can. Turning on
 * forwarding (the engine does, for a network with IPv6) must not cost the host its default route: one that listens to
 * router advertisements (`accept_ra` 1) stops doing so once it forwards.
 */
export function ipv6Obstacle(
  read: Read = readSysctl,
  interfaces = networkInterfaces(),
  routes: () => string = readRoutes,
): string | undefined {
  const [all, fresh] = ['all', 'default'].map((name) => read(`${name}/disable_ipv6`));
  if (all === undefined)
    return 'its kernel has no IPv6: load the module ipv6, or boot without ipv6.disable=1';
  const off = all !== '0' ? 'all' : fresh !== '0' ? 'default' : undefined;
  if (off !== undefined)
    return `IPv6 is turned off on it: set the sysctl net.ipv6.conf.${off}.disable_ipv6 to 0`;
  const listening = forwards(read)
    ? undefined
    : reachable(interfaces).find((name) => listens(name, read) && hasLearned(name, routes()));
  return listening === undefined
    ? undefined
    : `${listening} has routes from router advertisements, which it would lose as it forwards: set the sysctl net.ipv6.conf.${listening}.accept_ra to 2`;
}

/** The same, found out at most once a second: it is asked for each network, whenever anything changes. */
export function lookedAt(clock: Clock, look: () => string | undefined): () => string | undefined {
  let known: { readonly at: number; readonly obstacle: string | undefined } | undefined;
  return () => {
    const at = clock.now();
    if (known === undefined || at - known.at >= freshMs) known = { at, obstacle: look() };
    return known.obstacle;
  };
}
const freshMs = 1_000;

/** Whether networks without IPv6 of their own have one that does not leave the node, and published ports by it. */
export function ipv6Usable(read: Read = readSysctl, interfaces = networkInterfaces()): boolean {
  if (read('all/disable_ipv6') !== '0') return false;
  const names = reachable(interfaces);
  return names.length > 0 && (forwards(read) || names.every((name) => !listens(name, read)));
}

/** Interfaces with an address that others reach. */
const reachable = (interfaces: ReturnType<typeof networkInterfaces>): readonly string[] =>
  Object.entries(interfaces).flatMap(([name, addresses]) =>
    addresses?.some(
      ({ family, internal, address }) => family === 'IPv6' && !internal && !/^fe[89ab]/i.test(address),
    ) === true
      ? [name]
      : [],
  );

const forwards = (read: Read): boolean => read('all/forwarding') === '1';
const listens = (name: string, read: Read): boolean => read(`${name}/accept_ra`) === '1';

/** A route from a router advertisement (RTF_ADDRCONF), in the table of the kernel. */
const hasLearned = (name: string, table: string): boolean =>
  table.split('\n').some((line) => {
    const [to = '', , , , , , , , flags = '0', device] = line.trim().split(/\s+/);
    return device === name && !/^fe[89ab]/.test(to) && (parseInt(flags, 16) & 0x40000) !== 0;
  });

function readRoutes(): string {
  try {
    return readFileSync('/proc/net/ipv6_route', 'utf8');
  } catch {
    return '';
  }
}

function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/ipv6/conf/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
