import { without } from '../nft.ts';
import { innerRange, innerVxlanPort, meshTable } from './names.ts';

/**
 * The rules that keep encrypted networks apart from what is in clear, as one transaction. VXLAN inside is read from any
 * address of the machine, so a forged packet could come by the wire or from a container; and what a lost route would
 * send elsewhere stays here. Pure.
 */
export const meshRules = (tag: string): string => `${withoutRules(tag)}table ip6 ${meshTable(tag)} {
  chain in {
    type filter hook input priority -300; policy accept;
    iifname "ow*" accept
    udp dport ${String(innerVxlanPort)} drop
    ip6 daddr ${innerRange} drop
  }
  chain out {
    type filter hook output priority -300; policy accept;
    oifname "ow*" accept
    udp dport ${String(innerVxlanPort)} drop
    ip6 daddr ${innerRange} drop
  }
}
`;

export const withoutRules = (tag: string): string => without(`ip6 ${meshTable(tag)}`);
