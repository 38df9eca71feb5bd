import { hostname, networkInterfaces } from 'node:os';
import { isIP } from 'node:net';

const dnsName =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i;
/** Bridges and ends of container links come and go, and nobody reaches the API there. */
const ephemeral = /^(docker|br-|veth|orc|cni|flannel|virbr)/;
const wildcard = new Set(['0.0.0.0', '::', '']);

/**
 * Names and addresses a server of this machine can be reached by: localhost, the host name, the addresses
 * of its interfaces, and `given` (listen addresses and such; wildcards are left out). Sorted, without doubles.
 */
export function hostsOf(given: readonly string[]): readonly string[] {
  const addresses = Object.entries(networkInterfaces())
    .filter(([name]) => !ephemeral.test(name))
    .flatMap(([, list = []]) => list)
    .filter(({ address }) => !address.startsWith('fe80'))
    .map(({ address }) => address);
  const all = ['localhost', '127.0.0.1', '::1', hostname(), ...addresses, ...given]
    .map((host) => host.replace(/^\[(.*)\]$/, '$1'))
    .filter((host) => !wildcard.has(host) && (isIP(host) !== 0 || dnsName.test(host)));
  return [...new Set(all)].sort();
}
