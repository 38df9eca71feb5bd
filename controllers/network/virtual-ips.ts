import { freeVirtualIP, type Layout } from './layout.ts';
import { placeOf } from './pool.ts';

export interface VirtualIPs {
  readonly virtualIPs: Readonly<Record<string, string>>;
  /** Names of services for which no address is left. */
  readonly without: readonly string[];
}

/**
 * One address for each service. What a service has it keeps; a new one gets the first that is free from a place that
 * follows from its name: so one made anew tends to have its address again, and one that was freed, which clients may
 * remember, is hardly ever another's at once. Pure.
 */
export function planVirtualIPs(
  layout: Layout,
  seed: string,
  services: readonly string[],
  before: Readonly<Record<string, string>>,
  gateways: readonly string[],
): VirtualIPs {
  const names = [...services].sort();
  const kept = new Map(names.flatMap((name) => (before[name] === undefined ? [] : [[name, before[name]]])));
  const used = new Set([...kept.values(), ...gateways]);
  const given = new Map<string, string>();
  const without: string[] = [];
  for (const name of names) {
    const ip = kept.get(name) ?? freeVirtualIP(layout, used, placeOf(`${seed}/${name}`));
    if (ip === undefined) without.push(name);
    else {
      used.add(ip);
      given.set(name, ip);
    }
  }
  return { virtualIPs: Object.fromEntries(given), without };
}
