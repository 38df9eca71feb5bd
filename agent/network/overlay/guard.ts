import type { Run } from '../commands.ts';
import { LoadedTables, without } from '../nft.ts';
import { vxlanPort } from './wanted.ts';

/**
 * Keeps others out of networks, in two ways.
 *
 * A tunnel takes packets from any address of the wire, so a container could put one around a frame of its own and be in
 * any network: none of theirs goes to the port of tunnels outside of their own network.
 *
 * And of the networks that this node only enters with published ports: their tunnels stand alone there, so
 * the node has a route to them, and would pass on what any container sends: what separates networks in an engine knows
 * nothing of devices that are not its own. Connections of published ports carry orc's mark. (Of a tunnel that is a port
 * of a bridge the kernel tells the bridge's name here, so that these rules do not concern it.)
 */
export const guardRules = (tag: string): string =>
  [
    `${without(tableOf(tag))}table ${tableOf(tag)} {`,
    '  chain input {',
    '    type filter hook input priority -1; policy accept;',
    `    iifname "orc-*" udp dport ${vxlanPort} drop`,
    '  }',
    '  chain forward {',
    '    type filter hook forward priority -1; policy accept;',
    // Of what passes within a bridge the kernel tells that bridge here, too.
    `    iifname "orc-*" oifname != "orc-*" udp dport ${vxlanPort} drop`,
    ...['oifname', 'iifname'].map(
      (way) => `    ${way} "ov${tag}-*" ct mark and 0xff000000 != 0x4f000000 drop`,
    ),
    '  }',
    '}',
    '',
  ].join('\n');

const tableOf = (tag: string): string => `inet orc_entry_${tag}`;

/** The rules in the kernel: there before the first tunnel or container, and until after the last. */
export const guardOf = (run: Run, tag: string): LoadedTables =>
  new LoadedTables({ run, tables: () => [tableOf(tag)], doing: 'the rules that keep networks apart' });
