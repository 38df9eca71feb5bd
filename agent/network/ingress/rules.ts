import { isIPv6 } from 'node:net';
import { without } from '../nft.ts';
import type { IngressPort } from './ports.ts';

/** First byte of the connection marks that are ours: `O`. */
export const markMask = '0x4f000000/0xff000000';
/** From a container of ours: the answer must come back through this node, so its source is rewritten. */
const markFromContainer = '0x4f000001';
/** From outside: the task sees the client's address. */
const markFromOutside = '0x4f000002';

type Family = 'ip' | 'ip6';

/**
 * The whole rule set for `nft -f -`, which replaces a table as one transaction, also the first time. Established
 * connections go on. Pure.
 *
 * - `fib daddr type local` keeps traffic between containers to the same port number out.
 * - A connection from the node itself or from one of our networks is masqueraded (hairpin), and one to a task on another
 *   node, whose answer must come back this way; one from outside to a task here is not.
 * - 127.0.0.1 works by `route_localnet` on our bridges; `guard` drops what a container would send to 127.0.0.0/8 there.
 * - ::1 is left alone (the kernel routes it nowhere else): clients go on to 127.0.0.1.
 * - No ready task: refused at once. A port whose tasks have no address of a family is none of orc's in that one.
 */
export function ruleset(table: string, ports: readonly IngressPort[], families: readonly Family[]): string {
  return families.map((family) => familyRules(family, table, ports)).join('\n');
}

function familyRules(family: Family, table: string, all: readonly IngressPort[]): string {
  const ports = all.filter(({ hostIP, backends }) =>
    hostIP === undefined
      ? backends.length === 0 || backends.some((ip) => isIPv6(ip) === (family === 'ip6'))
      : isIPv6(hostIP) === (family === 'ip6'),
  );
  const everywhere = ports.filter(({ hostIP }) => hostIP === undefined);
  const onAddress = ports.filter(({ hostIP }) => hostIP !== undefined);
  const ofFamily = (ip: string): boolean => isIPv6(ip) === (family === 'ip6');
  const notLoopback = family === 'ip6' ? 'ip6 daddr != ::1 ' : '';
  const dispatch = [
    `    ${notLoopback}fib daddr type local ${family} daddr . meta l4proto . th dport vmap @addresses`,
    `    ${notLoopback}fib daddr type local meta l4proto . th dport vmap @ports`,
  ];
  const address = family === 'ip' ? 'ipv4_addr' : 'ipv6_addr';
  return [
    `${without(`${family} ${table}`)}table ${family} ${table} {`,
    ...ports.flatMap((port) => portChain(family, port)),
    '  set remote {',
    `    type ${address}`,
    ...elements([...new Set(ports.flatMap(({ remote }) => remote))].filter(ofFamily).sort()),
    '  }',
    '  map ports {',
    '    type inet_proto . inet_service : verdict',
    ...elements(everywhere.map((port) => `${port.protocol} . ${port.published} : goto ${chainName(port)}`)),
    '  }',
    '  map addresses {',
    `    type ${address} . inet_proto . inet_service : verdict`,
    ...elements(onAddress.map((p) => `${p.hostIP} . ${p.protocol} . ${p.published} : goto ${chainName(p)}`)),
    '  }',
    '  chain pre {',
    // Before Docker's own port mapping (-100).
    '    type nat hook prerouting priority -110; policy accept;',
    ...dispatch,
    '  }',
    '  chain out {',
    '    type nat hook output priority -110; policy accept;',
    ...dispatch,
    '  }',
    '  chain post {',
    // Before Docker's masquerading (100).
    '    type nat hook postrouting priority 90; policy accept;',
    `    ct mark ${markFromContainer} masquerade`,
    `    ct mark ${markFromOutside} fib saddr type local masquerade`,
    `    ct mark ${markFromOutside} ${family} daddr @remote masquerade`,
    '  }',
    ...(family === 'ip' ? guard : []),
    '}',
    '',
  ].join('\n');
}

/** Priority raw is before address translation, so answers to connections of ours do not look like this. */
const guard = [
  '  chain guard {',
  '    type filter hook prerouting priority -300; policy accept;',
  '    iifname "orc-*" ip daddr 127.0.0.0/8 drop',
  '  }',
];

const elements = (list: readonly string[]): readonly string[] =>
  list.length === 0 ? [] : [`    elements = { ${list.join(', ')} }`];

/** Unique per port and address; the characters of an address that a name may not hold become `_`. */
function chainName({ protocol, published, hostIP }: IngressPort): string {
  return `p_${protocol}_${published}${hostIP === undefined ? '' : `_${hostIP.replace(/[^0-9a-fA-F]/g, '_')}`}`;
}

function portChain(family: Family, port: IngressPort): readonly string[] {
  const backends = port.backends.filter((ip) => isIPv6(ip) === (family === 'ip6'));
  const refuse = `    meta l4proto ${port.protocol} reject${port.protocol === 'tcp' ? ' with tcp reset' : ''}`;
  return [
    `  chain ${chainName(port)} {`,
    ...(backends.length === 0
      ? [refuse]
      : [
          `    ct mark set ${markFromOutside}`,
          `    iifname "orc-*" ct mark set ${markFromContainer}`,
          `    meta l4proto ${port.protocol} dnat to ${choose(backends)} : ${port.target}`,
        ]),
    '  }',
  ];
}

function choose(backends: readonly string[]): string {
  const map = backends.map((ip, i) => `${i} : ${ip}`).join(', ');
  return `numgen random mod ${backends.length} map { ${map} }`;
}
