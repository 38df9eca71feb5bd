/** What keeps networks apart by IPv6, and lets their containers out. Text for `nft -f -`. Pure. */
import { without } from '../nft.ts';

/** A network with IPv6 that has a bridge on this node, or may have one. */
export interface Network6 {
  readonly bridge: string;
  readonly subnet6: string;
  /** No way out. */
  readonly isInternal: boolean;
  /** What leaves it does so in the name of the node. */
  readonly isMasqueraded: boolean;
  /** Its containers reach each other. */
  readonly isJoined: boolean;
}

export const tableOf = (tag: string): string => `ip6 orc_ipv6_${tag}`;

/**
 * What an engine does in IPv4. Those before 27 do nothing of it in IPv6, unless they are told to (`ip6tables`): they pass
 * on everything, also between networks and from outside. So it is here, whatever the engine does; both may.
 *
 * - A network is entered from itself, by answers, and by published ports, which have orc's mark.
 * - An internal one is left by these alone.
 * - Inside of a network nothing is translated, also not on its way to another node: that goes from the bridge to the
 *   bridge.
 */
export function rules6(tag: string, networks: readonly Network6[]): string {
  const all = [...networks].sort((a, b) => (a.bridge < b.bridge ? -1 : 1));
  const inside = all.filter(({ isInternal }) => isInternal).map(({ bridge }) => `"${bridge}"`);
  return [
    `${without(tableOf(tag))}table ${tableOf(tag)} {`,
    ...all.flatMap(({ bridge, isJoined }, i) => [
      `  chain to_${String(i)} {`,
      ...(isJoined ? [`    iifname "${bridge}" accept`] : []),
      '    drop',
      '  }',
    ]),
    '  chain forward {',
    '    type filter hook forward priority -1; policy accept;',
    '    ct state established,related accept',
    '    ct mark and 0xff000000 == 0x4f000000 accept',
    `    oifname vmap { ${all.map(({ bridge }, i) => `"${bridge}" : goto to_${String(i)}`).join(', ')} }`,
    ...(inside.length === 0 ? [] : [`    iifname { ${inside.join(', ')} } drop`]),
    '  }',
    '  chain post {',
    '    type nat hook postrouting priority 100; policy accept;',
    ...all
      .filter(({ isInternal, isMasqueraded }) => isMasqueraded && !isInternal)
      .map(({ bridge, subnet6 }) => `    ip6 saddr ${subnet6} oifname != "${bridge}" masquerade`),
    '  }',
    '}',
    '',
  ].join('\n');
}
