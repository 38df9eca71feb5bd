import { isIPv6 } from 'node:net';
import type { Logger } from '../../../kit/log.ts';
import type { Run } from '../commands.ts';
import { check } from '../nft.ts';
import { removal, staleFlows } from './flows.ts';
import { gone, inNamespaceOf, type ContainerProcess } from './namespace.ts';
import { readTable } from './read.ts';
import { ip4, ip6, normal, ruleset, update, type Family, type VirtualIP } from './rules.ts';

const doing = 'the rules of virtual IPs';
const packages = 'nftables and util-linux';

/** What became of one pass. `repaired`: the kernel had other rules than were loaded last. */
export type Outcome = 'same' | 'loaded' | 'repaired' | 'gone';

/** The rules of one container, and its default route: what was loaded last, and how to get from there to what is wanted. Not to be run twice at once. */
export class ContainerTable {
  readonly #process: ContainerProcess;
  readonly #run: Run;
  readonly #logger: Logger;
  /** Undefined: not known, so the next load replaces everything. */
  #loaded: readonly VirtualIP[] | undefined;
  /** This nft prints rules in a way that cannot be read, so there is nothing to compare. */
  #isUnreadable = false;
  #hasTold = false;
  /** Where the default routes are to lead, of each family at most one; that of others the engine sees to. */
  readonly #gateways: readonly string[];
  #isRouted: boolean;
  /** The container has IPv6, and so a table for it. */
  #hasIPv6 = false;

  constructor(options: {
    process: ContainerProcess;
    run: Run;
    logger: Logger;
    gateways?: readonly string[];
  }) {
    this.#gateways = options.gateways ?? [];
    this.#isRouted = this.#gateways.length === 0;
    this.#process = options.process;
    this.#run = options.run;
    this.#logger = options.logger;
  }

  /**
   * Makes the kernel have these rules; with `verify` it is asked what it has, else that is what was loaded last. Calls
   * `onLoaded` when the rules are there; flows that they do not reach are ended after that. Throws when the rules cannot
   * be loaded, or the container is not to have any.
   */
  async converge(
    vips: readonly VirtualIP[],
    {
      verify,
      hasIPv6,
      onLoaded,
    }: { readonly verify: boolean; readonly hasIPv6?: boolean; readonly onLoaded: () => void },
  ): Promise<Outcome> {
    const wanted = normal(vips);
    this.#hasIPv6 ||= hasIPv6 === true || wanted.some(({ ip }) => isIPv6(ip));
    if (!verify && this.#isRouted && this.#isLoaded(wanted)) {
      onLoaded();
      return 'same';
    }
    const outcome = await inNamespaceOf(this.#process, this.#run, async (run): Promise<Outcome> => {
      const isOther = verify && this.#loaded !== undefined && !(await this.#isAsLoaded(run, this.#loaded));
      const before = isOther ? undefined : this.#loaded;
      const text = before === undefined ? ruleset(wanted, this.#hasIPv6) : update(before, wanted);
      if (text !== '') await this.#load(run, text, wanted);
      onLoaded();
      if (text !== '') await this.#endFlows(run, before, wanted);
      if (verify || !this.#isRouted) await this.#route(run);
      if (text === '') return 'same';
      return isOther ? 'repaired' : 'loaded';
    });
    return outcome === gone ? 'gone' : outcome;
  }

  /** Nothing differs, so that the container need not be looked at. */
  #isLoaded(wanted: readonly VirtualIP[]): boolean {
    if (this.#loaded === undefined || update(this.#loaded, wanted) !== '') return false;
    // The list of now, which other containers share, and the next comparison with it is found done.
    this.#loaded = wanted;
    return true;
  }

  async #load(run: Run, text: string, wanted: readonly VirtualIP[]): Promise<void> {
    const known = this.#loaded;
    this.#loaded = undefined;
    let result = await run(['nft', '-f', '-'], text);
    // A change builds on what was there; should that have been changed by hand, all is replaced.
    if (result.code !== 0 && known !== undefined)
      result = await run(['nft', '-f', '-'], ruleset(wanted, this.#hasIPv6));
    check(result, doing, packages);
    this.#loaded = wanted;
  }

  async #route(run: Run): Promise<void> {
    this.#isRouted = false;
    for (const gateway of this.#gateways) {
      const family = isIPv6(gateway) ? '-6' : '-4';
      const { stdout } = await run(['ip', family, 'route', 'show', 'default']);
      if (stdout.startsWith(`default via ${gateway} `)) continue;
      const { code, stderr } = await run(['ip', family, 'route', 'replace', 'default', 'via', gateway]);
      if (code !== 0) throw new Error(`the default route by ${gateway}: ${stderr.trim()}`);
    }
    this.#isRouted = true;
  }

  async #isAsLoaded(run: Run, loaded: readonly VirtualIP[]): Promise<boolean> {
    if (this.#isUnreadable || isSame(await this.#read(run), loaded)) return true;
    // Is it the table that is strange, or nft's way to print it? A table just loaded tells.
    check(await run(['nft', '-f', '-'], ruleset(loaded, this.#hasIPv6)), doing, packages);
    if (isSame(await this.#read(run), loaded)) return false;
    this.#isUnreadable = true;
    this.#logger.warn(
      'this version of nft prints rules in an unknown way: what is changed in a container by hand is not repaired',
    );
    return true;
  }

  async #read(run: Run): Promise<readonly VirtualIP[] | undefined> {
    const all: VirtualIP[] = [];
    for (const family of this.#families) {
      const { code, stdout } = await run(['nft', '-j', 'list', 'table', ...family.table.split(' ')]);
      const found = code === 0 ? readTable(stdout, family) : [];
      if (found === undefined) return undefined;
      all.push(...found);
    }
    return all;
  }

  get #families(): readonly Family[] {
    return this.#hasIPv6 ? [ip4, ip6] : [ip4];
  }

  async #endFlows(
    run: Run,
    before: readonly VirtualIP[] | undefined,
    wanted: readonly VirtualIP[],
  ): Promise<void> {
    if (!mayLeaveFlows(before, wanted)) return;
    const removed = (before ?? []).map(({ ip }) => ip);
    for (const { name } of this.#families) {
      const { code, stdout, stderr } = await run(['conntrack', '-L', '-f', name === 'ip' ? 'ipv4' : 'ipv6']);
      if (code !== 0) return this.#tellOnce(stderr.trim());
      for (const flows of staleFlows(stdout, wanted, removed)) await run(removal(flows));
    }
  }

  #tellOnce(err: string): void {
    if (!this.#hasTold)
      this.#logger.warn(
        { err },
        'flows of datagrams to tasks that are gone cannot be ended; install conntrack',
      );
    this.#hasTold = true;
  }
}

const isSame = (a: readonly VirtualIP[] | undefined, b: readonly VirtualIP[]): boolean =>
  a !== undefined && ruleset(a) === ruleset(b);

/** Where endpoints only came, every flow still goes where it may. */
function mayLeaveFlows(before: readonly VirtualIP[] | undefined, after: readonly VirtualIP[]): boolean {
  if (before === undefined) return true;
  const now = new Map(after.map((vip) => [vip.ip, vip.endpoints]));
  const isLess = before.some(({ ip, endpoints }) => endpoints.some((one) => !now.get(ip)?.includes(one)));
  const had = new Set(before.map(({ ip }) => ip));
  return isLess || after.some(({ ip }) => !had.has(ip));
}
