/** The rules of iptables in the words of `iptables-save -t filter`. Pure. */
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

/** By name, as they are for this packet. */
export function savedChains(saved: string, packet: Packet): ReadonlyMap<string, Chain> {
  const chains = new Map<string, Chain & { rules: Rule[] }>();
  for (const line of saved.split('\n')) {
    const [, name, policy] = /^:(\S+) (\S+)/.exec(line) ?? [];
    if (name !== undefined)
      chains.set(name, {
        rules: [],
        ...(policy === 'DROP' ? { policy: 'drop' } : policy === 'ACCEPT' ? { policy: 'accept' } : {}),
      });
    if (!line.startsWith('-A ')) continue;
    const [, chain = '', ...words] = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
    chains.get(chain)?.rules.push(ruleOf(words, packet));
  }
  return chains;
}

function ruleOf(words: readonly string[], packet: Packet): Rule {
  const truths: Truth[] = [];
  let isNegated = false;
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const value = words[i + 1] ?? '';
    if (word === '-j' || word === '-g') {
      const verdict = verdictOf(word, value);
      return { applies: all(truths), ...(verdict === undefined ? {} : { verdict }) };
    }
    if (word === '!') isNegated = true;
    else if (word.startsWith('-')) {
      const truth = matchOf(word, value, packet);
      truths.push(isNegated ? not(truth) : truth);
      isNegated = false;
    }
  }
  return { applies: all(truths) };
}

function matchOf(option: string, value: string, packet: Packet): Truth {
  const { protocol, port, source, destination } = packet;
  switch (option) {
    case '-i':
      return comesBy(packet, value, '+');
    case '-o':
      return 'no';
    case '-p':
      return sure(value === protocol || value === 'all');
    case '-s':
      return sure(isIn(source, value));
    case '-d':
      return sure(isIn(destination, value));
    case '--dport':
    case '--dports':
      return any(value.split(',').map((range) => sure(isPort(port, range))));
    case '--ctstate':
    case '--state':
      return sure(value.split(',').includes('NEW'));
    case '--dst-type':
      return sure(value === 'LOCAL');
    // The name of a module, and words for people: its own options say what is matched.
    case '-m':
    case '--comment':
      return 'yes';
    default:
      return 'maybe';
  }
}

function isPort(port: number, range: string): boolean {
  const [first = '', last = first] = range.split(':');
  return port >= Number(first) && port <= Number(last);
}

function verdictOf(option: string, target: string): Verdict | undefined {
  if (target === 'ACCEPT') return { kind: 'accept' };
  if (target === 'DROP' || target === 'REJECT') return { kind: 'drop' };
  if (target === 'RETURN') return { kind: 'return' };
  // One that logs or marks is no chain, and a walk finds nothing there.
  return { kind: option === '-g' ? 'goto' : 'jump', chain: target };
}
