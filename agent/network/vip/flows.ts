/** Tracked flows that new rules do not reach: the kernel asks a rule of address translation once for each flow. */
import type { VirtualIP } from './rules.ts';

/** Flows to end: `conntrack -D` takes exactly these. */
export interface StaleFlows {
  readonly protocol: string;
  readonly virtualIP: string;
  /** Where they go now: a task that is not behind the virtual IP any more, or the virtual IP itself, that is nowhere. */
  readonly to: string;
}

/**
 * The stale ones of a listing (`conntrack -L`), each kind once: flows to an address that is not behind their virtual IP,
 * or that were begun before the rules were there, and so lead to nobody. What is sent next goes by the rules. `gone` are
 * virtual IPs that there were. TCP is left alone: a connection goes on until one of both ends it, and one that was begun
 * too early cannot be saved (the kernel holds its first packet back, and so does not send it again). Pure.
 */
export function staleFlows(
  listing: string,
  vips: readonly VirtualIP[],
  gone: readonly string[] = [],
): readonly StaleFlows[] {
  const behind = new Map<string, ReadonlySet<string>>(gone.map((ip) => [ip, new Set()]));
  for (const { ip, endpoints } of vips) behind.set(ip, new Set(endpoints));
  const found = new Map<string, StaleFlows>();
  for (const line of listing.split('\n')) {
    const flow = readFlow(line);
    const endpoints = behind.get(flow?.virtualIP ?? '');
    if (flow === undefined || flow.protocol === 'tcp' || (endpoints?.has(flow.to) ?? true)) continue;
    found.set(`${flow.protocol} ${flow.virtualIP} ${flow.to}`, flow);
  }
  return [...found.values()];
}

/** `udp 17 29 src=A dst=B sport=1 dport=2 src=C dst=A …`: first as it was sent, then as its answer comes. */
function readFlow(line: string): StaleFlows | undefined {
  const [protocol = ''] = line.split(' ', 1);
  const virtualIP = /\bdst=(\S+)/.exec(line)?.[1];
  const to = [...line.matchAll(/\bsrc=(\S+)/g)][1]?.[1];
  return virtualIP === undefined || to === undefined ? undefined : { protocol, virtualIP, to };
}

export const removal = ({ protocol, virtualIP, to }: StaleFlows): readonly string[] => [
  ...['conntrack', '-D', ...(virtualIP.includes(':') ? ['-f', 'ipv6'] : []), '-p', protocol],
  ...['--orig-dst', virtualIP, '--reply-src', to],
];
