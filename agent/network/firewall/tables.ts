/** Tables of nftables that take part in what comes to the node, as `nft -j` has them: firewalld's, or a user's own. Pure. */
import {
  all,
  any,
  comesBy,
  isIn,
  not,
  sure,
  type Chain,
  type Packet,
  type Rule,
  type Truth,
  type Verdict,
} from './filter.ts';

interface Listed {
  readonly chain?: {
    readonly family: string;
    readonly table: string;
    readonly name: string;
    readonly hook?: string;
    readonly policy?: string;
  };
  readonly rule?: { readonly chain: string; readonly expr: readonly Expr[] };
}
type Expr = Readonly<Record<string, unknown>>;

export interface InputTable {
  readonly family: string;
  readonly table: string;
  /** The chain that the kernel calls. */
  readonly chain: string;
}

const listed = (json: string): readonly Listed[] =>
  (JSON.parse(json) as { readonly nftables: readonly Listed[] }).nftables;

/**
 * Of the answer of `nft -j list chains`: where packets to the node are filtered. Those of `iptables` are in its own
 * words, and orc's own filter nothing that comes to the node.
 */
export const inputTables = (json: string): readonly InputTable[] =>
  listed(json).flatMap(({ chain }) => {
    if (chain?.hook !== 'input' || (chain.family !== 'ip' && chain.family !== 'inet')) return [];
    const { family, table, name } = chain;
    if (family === 'ip' && ['filter', 'mangle', 'nat', 'raw', 'security'].includes(table)) return [];
    return table.startsWith('orc') ? [] : [{ family, table, chain: name }];
  });

/** Of the answer of `nft -j list table`: its chains, as they are for this packet. */
export function tableChains(json: string, packet: Packet): ReadonlyMap<string, Chain> {
  const chains = new Map<string, Chain & { rules: Rule[] }>();
  for (const { chain, rule } of listed(json)) {
    if (chain !== undefined) {
      const { policy } = chain;
      chains.set(chain.name, {
        rules: [],
        ...(policy === 'drop' || policy === 'accept' ? { policy } : {}),
      });
    }
    if (rule !== undefined) chains.get(rule.chain)?.rules.push(...rulesOf(rule.expr, packet));
  }
  return chains;
}

function rulesOf(expr: readonly Expr[], packet: Packet): readonly Rule[] {
  const truths: Truth[] = [];
  for (const one of expr) {
    if ('match' in one) truths.push(matchOf(one['match'] as Match, packet));
    else if ('vmap' in one) return mapped(one['vmap'] as VMap, truths, packet);
    // What slows down lets some pass and some not; what is an extension of iptables is not told.
    else if ('limit' in one || 'xt' in one || 'quota' in one) truths.push('maybe');
    const verdict = verdictOf(one);
    if (verdict !== undefined) return [{ applies: all(truths), verdict }];
  }
  return [{ applies: all(truths) }];
}

function verdictOf(expr: Expr): Verdict | undefined {
  if ('accept' in expr) return { kind: 'accept' };
  if ('drop' in expr || 'reject' in expr) return { kind: 'drop' };
  if ('return' in expr) return { kind: 'return' };
  for (const kind of ['jump', 'goto'] as const)
    if (kind in expr) return { kind, chain: (expr[kind] as { readonly target: string }).target };
  return undefined;
}

interface Match {
  readonly op: string;
  readonly left: unknown;
  readonly right: unknown;
}

function matchOf({ op, left, right }: Match, packet: Packet): Truth {
  const truth = equals(left, right, packet);
  if (op === '==' || op === 'in') return truth;
  return op === '!=' ? not(truth) : 'maybe';
}

interface VMap {
  readonly key: unknown;
  readonly data: unknown;
}

function mapped({ key, data }: VMap, before: readonly Truth[], packet: Packet): readonly Rule[] {
  const entries =
    isRecord(data) && Array.isArray(data['set']) ? (data['set'] as [unknown, Expr][]) : undefined;
  // A named one is not in the answer: it may accept.
  if (entries === undefined) return [{ applies: 'maybe', verdict: { kind: 'accept' } }];
  return entries.map(([value, then]) => {
    const verdict = verdictOf(then);
    const applies = all([...before, equals(key, value, packet)]);
    return { applies, ...(verdict === undefined ? {} : { verdict }) };
  });
}

/** Whether what `left` names of the packet is `right`. */
function equals(left: unknown, right: unknown, packet: Packet): Truth {
  if (Array.isArray(right)) return any(right.map((each) => equals(left, each, packet)));
  if (isRecord(right) && Array.isArray(right['set']))
    return any(right['set'].map((each: unknown) => equals(left, each, packet)));
  if (isRecord(right) && isRecord(right['elem'])) return equals(left, right['elem']['val'], packet);
  if (!isRecord(left)) return 'maybe';
  const { meta, payload, ct, fib } = left;
  if (isRecord(meta)) return ofMeta(String(meta['key']), right, packet);
  if (isRecord(payload))
    return ofPayload(String(payload['protocol']), String(payload['field']), right, packet);
  if (isRecord(ct)) return ofState(String(ct['key']), right);
  if (isRecord(fib)) return fib['result'] === 'type' ? sure(right === 'local') : 'maybe';
  return 'maybe';
}

function ofMeta(key: string, right: unknown, packet: Packet): Truth {
  if (key === 'iifname' || key === 'iif') return comesBy(packet, String(right), '*');
  if (key === 'l4proto') return sure(right === packet.protocol);
  if (key === 'nfproto') return sure(right === 'ipv4');
  return key === 'protocol' ? sure(right === 'ip') : 'maybe';
}

/** A connection that begins: it is in no state but `new`, and nothing has been done to it. */
const ofState = (key: string, right: unknown): Truth =>
  key === 'state' ? sure(right === 'new') : key === 'status' ? 'no' : 'maybe';

function ofPayload(protocol: string, field: string, right: unknown, packet: Packet): Truth {
  if (protocol === 'tcp' || protocol === 'udp' || protocol === 'th') {
    if (protocol !== 'th' && protocol !== packet.protocol) return 'no';
    return field === 'dport' ? isPort(packet.port, right) : 'maybe';
  }
  if (protocol === 'ip6' || protocol.startsWith('icmp')) return 'no';
  if (protocol !== 'ip') return 'maybe';
  if (field === 'saddr') return isAddress(packet.source, right);
  if (field === 'daddr') return isAddress(packet.destination, right);
  return field === 'protocol' ? sure(right === packet.protocol) : 'maybe';
}

function isPort(port: number, right: unknown): Truth {
  if (typeof right === 'number') return sure(right === port);
  const range = isRecord(right) ? right['range'] : undefined;
  return Array.isArray(range) ? sure(port >= Number(range[0]) && port <= Number(range[1])) : 'maybe';
}

function isAddress(ip: string, right: unknown): Truth {
  if (typeof right === 'string') return right.startsWith('@') ? 'maybe' : sure(isIn(ip, right));
  const prefix = isRecord(right) ? right['prefix'] : undefined;
  return isRecord(prefix) ? sure(isIn(ip, `${String(prefix['addr'])}/${String(prefix['len'])}`)) : 'maybe';
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
