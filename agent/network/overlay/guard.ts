import type { CommandResult, Run } from '../commands.ts';
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
    `table inet ${tableOf(tag)}`,
    `delete table inet ${tableOf(tag)}`,
    `table inet ${tableOf(tag)} {`,
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

const tableOf = (tag: string): string => `orc_entry_${tag}`;

/** The rules in the kernel: there before the first tunnel or container, and until after the last. */
export class Guard {
  readonly #run: Run;
  readonly #tag: string;
  /** As the kernel printed them when they were loaded; empty: there are none; undefined: not known. */
  #listed: string | undefined;

  constructor(run: Run, tag: string) {
    this.#run = run;
    this.#tag = tag;
  }

  /** With `verify` the kernel is asked whether it has them still. */
  async load(verify: boolean): Promise<void> {
    const isKnown = this.#listed !== undefined && this.#listed !== '';
    if (isKnown && (!verify || (await this.#list()) === this.#listed)) return;
    this.#listed = undefined;
    check(await this.#run(['nft', '-f', '-'], guardRules(this.#tag)));
    this.#listed = await this.#list();
  }

  async remove(): Promise<void> {
    if (this.#listed === '') return;
    const table = `table inet ${tableOf(this.#tag)}`;
    check(await this.#run(['nft', '-f', '-'], `${table}\ndelete ${table}\n`));
    this.#listed = '';
  }

  async #list(): Promise<string> {
    return (await this.#run(['nft', '-s', 'list', 'table', 'inet', tableOf(this.#tag)])).stdout;
  }
}

function check({ code, stderr }: CommandResult): void {
  if (code === 127) throw new Error(`a command is missing (${stderr}); install nftables`);
  if (code !== 0) throw new Error(`the rules that keep networks apart: ${stderr.trim().slice(0, 300)}`);
}
