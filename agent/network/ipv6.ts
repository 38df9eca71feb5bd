import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/**
 * Whether stack networks may have IPv6. The host must have an address that others reach, and turning on forwarding (the
 * engine does, for a network with IPv6) must not cost it its default route: a host that listens to router
 * advertisements (`accept_ra` 1) stops doing so once it forwards.
 */
export function ipv6Usable(read = readSysctl, interfaces = networkInterfaces()): boolean {
  if (read('all/disable_ipv6') !== '0') return false;
  const reachable = Object.entries(interfaces).filter(([, addresses]) =>
    addresses?.some(
      ({ family, internal, address }) => family === 'IPv6' && !internal && !/^fe[89ab]/i.test(address),
    ),
  );
  if (reachable.length === 0) return false;
  return read('all/forwarding') === '1' || reachable.every(([name]) => read(`${name}/accept_ra`) !== '1');
}

function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/net/ipv6/conf/${name}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
