/**
 * The lab's network: one bridge in a network namespace of the lab's own. Nothing of the machine's network is touched,
 * and nothing outside reaches in. The kernel is asked for what is cut; no file remembers it.
 */
import { must } from './run.ts';

export interface Switch {
  /** Prefix of argv that runs a command in the switch's network namespace. */
  readonly enter: readonly string[];
  create(): void;
  /** A new cable from the switch to the node whose first process is `pid`. */
  plug(number: number, pid: number, address: string): void;
  /** Takes the cable away, on both ends. */
  unplug(number: number): void;
  /** What a node sends no longer arrives, nor what others send it; its link stays up. With `from`: of that node only. */
  cut(number: number, from?: number): void;
  /** The reverse; without `from`, every cut of the node. */
  join(number: number, from?: number): void;
  isPlugged(number: number): boolean;
  cutsOf(number: number): Cuts;
  /** Delays each packet to the node; false when this kernel has no netem. */
  delay(number: number, ms: number): boolean;
}

export interface Cuts {
  readonly all: boolean;
  readonly from: readonly number[];
}

export const bridge = 'br0';
/** A machine keeps its network card when it boots again: peers remember its address for minutes. */
const macOf = (number: number): string => `02:6f:72:63:00:${number.toString(16).padStart(2, '0')}`;
export const portOf = (number: number): string => `p${number}`;

const rules = (): string =>
  [
    'add table bridge lab',
    'add set bridge lab cut { type ifname . ifname; }',
    'add chain bridge lab forward { type filter hook forward priority 0; }',
    'add rule bridge lab forward iifname . oifname @cut drop',
  ].join('\n');

export function openSwitch(pid: number): Switch {
  const enter = ['nsenter', '--target', String(pid), '--net', '--'];
  const here = (...argv: readonly string[]): string => must([...enter, ...argv]);
  const ip = (...argv: readonly string[]): string => here('ip', ...argv);
  const pairs = (number: number): readonly number[] =>
    cutPairs(here('nft', '-j', 'list', 'set', 'bridge', 'lab', 'cut'))
      .filter(([a]) => a === portOf(number))
      .map(([, b]) => Number(b.slice(1)));
  const setPair = (verb: 'add' | 'delete', a: number, b: number): string =>
    here('nft', `${verb} element bridge lab cut ${pairText(a, b)}`);
  const linkOf = (number: number): Link | undefined => {
    try {
      return (JSON.parse(ip('-j', 'link', 'show', portOf(number))) as Link[])[0];
    } catch {
      return undefined; // no such device
    }
  };
  return {
    enter,
    create() {
      ip('link', 'set', 'lo', 'up');
      ip(
        'link',
        'add',
        bridge,
        'type',
        'bridge',
        'forward_delay',
        '0',
        'stp_state',
        '0',
        'mcast_snooping',
        '0',
      );
      ip('link', 'set', bridge, 'up');
      for (const rule of rules().split('\n')) here('nft', rule);
    },
    plug(number, node, address) {
      const port = portOf(number);
      const peer = ['peer', 'name', 'eth0', 'address', macOf(number), 'netns', String(node)];
      ip('link', 'add', port, 'type', 'veth', ...peer);
      ip('link', 'set', port, 'master', bridge, 'up');
      const inside = ['nsenter', '--target', String(node), '--net', '--', 'ip'];
      must([...inside, 'addr', 'add', address, 'dev', 'eth0']);
      must([...inside, 'link', 'set', 'eth0', 'up']);
    },
    unplug(number) {
      try {
        ip('link', 'del', portOf(number));
      } catch (error) {
        if (linkOf(number) !== undefined) throw error; // else the kernel took it away with the node's namespace
      }
    },
    cut(number, from) {
      if (from === undefined) ip('link', 'set', portOf(number), 'nomaster');
      else setPair('add', number, from);
    },
    join(number, from) {
      for (const other of pairs(number).filter((each) => from === undefined || each === from))
        setPair('delete', number, other);
      if (from === undefined && linkOf(number) !== undefined)
        ip('link', 'set', portOf(number), 'master', bridge, 'up');
    },
    isPlugged: (number) => linkOf(number) !== undefined,
    cutsOf(number) {
      const link = linkOf(number);
      return { all: link !== undefined && link.master === undefined, from: pairs(number) };
    },
    delay(number, ms) {
      const qdisc = ['tc', 'qdisc', ms > 0 ? 'replace' : 'del', 'dev', portOf(number), 'root'];
      try {
        here(...qdisc, ...(ms > 0 ? ['netem', 'delay', `${ms}ms`] : []));
        return true;
      } catch {
        return false; // no netem in this kernel, or nothing to take away
      }
    },
  };
}

interface Link {
  readonly master?: string;
}

const pairText = (a: number, b: number): string =>
  `{ "${portOf(a)}" . "${portOf(b)}", "${portOf(b)}" . "${portOf(a)}" }`;

interface NftSet {
  readonly nftables: readonly { readonly set?: { readonly elem?: readonly { readonly concat: [string, string] }[] } }[]; // prettier-ignore
}

/** The pairs of ports in nft's listing of the set. */
export const cutPairs = (listing: string): readonly (readonly [string, string])[] =>
  (JSON.parse(listing) as NftSet).nftables.flatMap(({ set }) =>
    (set?.elem ?? []).map(({ concat }) => concat),
  );
