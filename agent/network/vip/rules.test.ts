import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { endpointsOfPlaces } from './affinity.ts';
import { removal, staleFlows } from './flows.ts';
import { readTable } from './read.ts';
import { normal, ruleset, update, type VirtualIP } from './rules.ts';

const testdata = (name: string): string =>
  readFileSync(new URL(`./testdata/${name}`, import.meta.url), 'utf8');

const vips: readonly VirtualIP[] = [
  { ip: '10.64.0.7', endpoints: ['10.64.1.1'], affinity: 'clientIP' },
  { ip: '10.64.0.5', endpoints: ['10.64.2.1', '10.64.1.1', '10.64.2.1'] },
  { ip: '10.64.0.6', endpoints: ['10.64.1.1', '10.64.2.1'], affinity: 'clientIP' },
  { ip: '10.64.0.8', endpoints: [] },
];

/** The table of one family as the texts make it: a reader of their few commands, which refuses what nft would refuse. */
class Table {
  chains = new Map<string, string[]>();
  elements = new Map<string, string>();
  readonly #family: 'ip' | 'ip6';

  constructor(family: 'ip' | 'ip6') {
    this.#family = family;
  }

  apply(text: string): this {
    let family: string | undefined;
    const lines = text.split('\n').flatMap((line) => {
      family = /^(?:table|(?:add|flush|delete) \w+) (ip6?) orc/.exec(line)?.[1] ?? family;
      return family === this.#family ? [line.trim()] : [];
    });
    let chain: string | undefined;
    for (const line of lines) {
      const [verb = '', what, , , name = '', ...rest] = line.split(' ');
      if (verb === 'delete' && what === 'table') {
        this.chains = new Map();
        this.elements = new Map();
      } else if (verb === 'chain' && what !== undefined) this.chains.set((chain = what), []);
      else if (line === '}') chain = undefined;
      else if (line.startsWith('elements = ')) this.#add(line);
      else if (verb === 'add' && what === 'chain') this.#put(name, []);
      else if (verb === 'flush') this.#rules(name).length = 0;
      else if (verb === 'add' && what === 'rule') this.#rules(name).push(rest.join(' '));
      else if (verb === 'add' && what === 'element') this.#add(line);
      else if (verb === 'delete' && what === 'element')
        for (const ip of (/\{ (.*) \}/.exec(line)?.[1] ?? '').split(', ')) this.#take(ip);
      else if (verb === 'delete' && what === 'chain') this.#drop(name);
      else if (chain !== undefined && !line.startsWith('type ')) this.#rules(chain).push(line);
    }
    return this;
  }

  #rules(name: string): string[] {
    const rules = this.chains.get(name);
    if (rules === undefined) throw new Error(`no chain ${name}`);
    return rules;
  }
  #put(name: string, rules: string[]): void {
    if (this.chains.has(name)) throw new Error(`chain ${name} is there`);
    this.chains.set(name, rules);
  }
  #add(line: string): void {
    for (const [, ip = '', name = ''] of line.matchAll(/(\S+) : goto ([^, }]+)/g)) {
      this.#rules(name);
      this.elements.set(ip, name);
    }
  }
  #take(ip: string): void {
    if (!this.elements.delete(ip)) throw new Error(`no element ${ip}`);
  }
  #drop(name: string): void {
    if (this.#rules(name).length > 0 || [...this.elements.values()].includes(name))
      throw new Error(`${name} is in use`);
    this.chains.delete(name);
  }

  /** In no order. */
  get state(): unknown {
    return { chains: Object.fromEntries(this.chains), elements: Object.fromEntries(this.elements) };
  }
}

const anyVIPs: fc.Arbitrary<readonly VirtualIP[]> = fc.array(
  fc
    .record({
      n: fc.integer({ min: 1, max: 6 }),
      tasks: fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 }),
      isPinned: fc.boolean(),
      is6: fc.boolean(),
    })
    .map(({ n, tasks, isPinned, is6 }) => ({
      ip: is6 ? `fd12::a40:${n}` : `10.64.0.${n}`,
      endpoints: tasks.map((task) => (is6 ? `fd12::a40:10${task}` : `10.64.1.${task}`)),
      ...(isPinned ? { affinity: 'clientIP' as const } : {}),
    })),
  { maxLength: 7 },
);

describe('the rules of a container', () => {
  test('are one transaction for services with many, one and no endpoints', () => {
    expect(ruleset(vips)).toBe(testdata('table.nft'));
  });

  test('without virtual IPs are no table', () => {
    expect(ruleset([])).toBe('table ip orc\ndelete table ip orc\n');
  });

  test('of IPv6 are a table of their own, which is gone with the last virtual IP there', () => {
    const ip = 'fd12:3456:7800:1001::a40:5';
    const dual = [...vips, { ip, endpoints: ['fd12::a', 'fd12::b'], affinity: 'clientIP' as const }];
    const added = ruleset(dual).slice(ruleset(vips).length);
    expect(ruleset(dual).startsWith(ruleset(vips))).toBe(true);
    expect(added).toContain(
      'table ip6 orc {\n  chain vip_fd12_3456_7800_1001__a40_5 {\n    dnat to jhash ip6 saddr mod',
    );
    expect(added).toContain(`elements = { ${ip} : goto vip_fd12_3456_7800_1001__a40_5 }`);
    expect(added).toContain('ct direction original ip6 daddr vmap @vips');
    expect(update(vips, dual)).toBe(added);
    expect(update(dual, vips)).toBe('table ip6 orc\ndelete table ip6 orc\n');
    expect(ruleset(vips, true)).toBe(`${ruleset(vips)}table ip6 orc\ndelete table ip6 orc\n`);
    expect(update(dual, [...vips, { ip, endpoints: ['fd12::a'] }])).toBe(
      'flush chain ip6 orc vip_fd12_3456_7800_1001__a40_5\nadd rule ip6 orc vip_fd12_3456_7800_1001__a40_5 dnat to fd12::a\n',
    );
  });

  test('change in the chain of a service when only its endpoints do', () => {
    const after = vips.map((vip) => (vip.ip === '10.64.0.5' ? { ...vip, endpoints: ['10.64.3.1'] } : vip));
    expect(update(vips, after)).toBe(
      'flush chain ip orc vip_10_64_0_5\nadd rule ip orc vip_10_64_0_5 dnat to 10.64.3.1\n',
    );
  });

  test('change for the services that come and go, and for no others', () => {
    const [first, ...rest] = normal(vips);
    const fresh = { ip: '10.64.0.9', endpoints: ['10.64.1.9'] };
    expect(update(vips, [...rest, fresh])).toBe(
      [
        'delete element ip orc vips { 10.64.0.5 }',
        'flush chain ip orc vip_10_64_0_5',
        'delete chain ip orc vip_10_64_0_5',
        'add chain ip orc vip_10_64_0_9',
        'add rule ip orc vip_10_64_0_9 dnat to 10.64.1.9',
        'add element ip orc vips { 10.64.0.9 : goto vip_10_64_0_9 }',
        '',
      ].join('\n'),
    );
    expect(first?.ip).toBe('10.64.0.5');
  });

  test('do not change with the order in which things are told', () => {
    const turned = [...vips].reverse().map((vip) => ({ ...vip, endpoints: [...vip.endpoints].reverse() }));
    expect(ruleset(turned)).toBe(ruleset(vips));
    expect(update(vips, turned)).toBe('');
  });

  test('after any sequence of changes are those of the last', () => {
    fc.assert(
      fc.property(fc.array(anyVIPs, { minLength: 1, maxLength: 6 }), (steps) => {
        for (const family of ['ip', 'ip6'] as const) {
          const changed = new Table(family).apply(ruleset(steps[0] ?? []));
          for (const [i, step] of steps.slice(1).entries()) changed.apply(update(steps[i] ?? [], step));
          const direct = new Table(family).apply(ruleset(steps.at(-1) ?? []));
          expect(changed.state).toEqual(direct.state);
        }
      }),
    );
  });
});

describe('affinity', () => {
  const tasks = Array.from({ length: 10 }, (_, i) => `10.64.1.${i + 1}`);

  test('moves no client but those of an endpoint that goes', () => {
    const before = endpointsOfPlaces(tasks);
    const after = endpointsOfPlaces(tasks.slice(1));
    for (const [place, ip] of before.entries()) if (ip !== tasks[0]) expect(after[place]).toBe(ip);
    expect(after).not.toContain(tasks[0]);
  });

  test('gives each endpoint about its share of the clients', () => {
    const counts = tasks.map((ip) => endpointsOfPlaces(tasks).filter((other) => other === ip).length);
    expect(Math.min(...counts)).toBeGreaterThan(10);
    expect(Math.max(...counts)).toBeLessThan(45);
  });
});

describe('a listing of the table', () => {
  const listing = testdata('table-1.0.6.json');

  test('is other than loaded when a client is led elsewhere', () => {
    const changed = listing.replace(
      /\[17, "10\.64\.([12])\.1"\]/,
      (_, part) => `[17, "10.64.${3 - Number(part)}.1"]`,
    );
    expect(changed).not.toBe(listing);
    expect(readTable(changed)).toBeUndefined();
  });

  test.each(['1.0.6', '1.1.7'])('by nft %s of `table.nft` is read as what was loaded', (version) => {
    expect(readTable(testdata(`table-${version}.json`))).toEqual(normal(vips));
  });

  test.each([
    ['an endpoint is another one', '"10.64.2.1"', '"10.64.2.2"'],
    ['a virtual IP leads elsewhere', '"target": "vip_10_64_0_5"', '"target": "vip_10_64_0_6"'],
    ['a virtual IP is away', '["10.64.0.8", {"goto": {"target": "vip_10_64_0_8"}}]', '["10.64.0.9", 1]'],
    ['another seed is used', String(0x6f7263), '4711'],
    ['the share of one is larger', '"mod": 2', '"mod": 3'],
    ['it is not balanced by chance', '"mode": "random"', '"mode": "inc"'],
    ['the hook is another one', '"hook": "output"', '"hook": "input"'],
    ['the hook drops what it does not know', '"policy": "accept"', '"policy": "drop"'],
    ['a rule is missing', '"dnat"', '"snat"'],
    ['a chain was added', '{"chain": {', '{"chain": {"name": "other"}}, {"chain": {'],
    ['a rule was added', '{"rule": {', '{"rule": {"chain": "output", "expr": [{"drop": null}]}}, {"rule": {'],
    ['it is no listing', '"nftables"', '"other"'],
  ])('is other than loaded when %s', (_, from, to) => {
    expect(listing).toContain(from);
    const read = readTable(listing.replace(from, to));
    expect(read === undefined ? undefined : ruleset(read)).not.toBe(ruleset(vips));
  });
});

describe('tracked flows', () => {
  const listing = `udp      17 29 src=10.64.1.9 dst=10.64.0.5 sport=40000 dport=53 [UNREPLIED] src=10.64.2.1 dst=10.64.1.9 sport=53 dport=40000 mark=0 use=1
udp      17 29 src=10.64.1.9 dst=10.64.0.5 sport=40001 dport=53 src=10.64.9.9 dst=10.64.1.9 sport=53 dport=40001 [ASSURED] mark=0 use=1
udp      17 29 src=10.64.1.9 dst=10.64.0.5 sport=40002 dport=53 src=10.64.9.9 dst=10.64.1.9 sport=53 dport=40002 mark=0 use=1
tcp      6 431999 ESTABLISHED src=10.64.1.9 dst=10.64.0.5 sport=40003 dport=80 src=10.64.9.9 dst=10.64.1.9 sport=80 dport=40003 [ASSURED] mark=0 use=1
udp      17 29 src=10.64.1.9 dst=10.64.0.8 sport=40004 dport=80 [UNREPLIED] src=10.64.0.8 dst=10.64.1.9 sport=80 dport=40004 mark=0 use=1
tcp      6 119 SYN_SENT src=10.64.1.9 dst=10.64.0.8 sport=40004 dport=80 [UNREPLIED] src=10.64.0.8 dst=10.64.1.9 sport=80 dport=40004 mark=0 use=1
icmp     1 29 src=10.64.1.9 dst=10.64.0.99 type=8 code=0 id=1 src=10.64.2.1 dst=10.64.1.9 type=0 code=0 id=1 mark=0 use=1
udp      17 29 src=10.64.1.9 dst=8.8.8.8 sport=40000 dport=53 src=8.8.8.8 dst=10.64.1.9 sport=53 dport=40000 mark=0 use=1
`;

  test('to tasks that are gone, and those begun before the rules, are ended; connections are not', () => {
    expect(staleFlows(listing, vips, ['10.64.0.5', '10.64.0.99'])).toEqual([
      { protocol: 'udp', virtualIP: '10.64.0.5', to: '10.64.9.9' },
      { protocol: 'udp', virtualIP: '10.64.0.8', to: '10.64.0.8' },
      { protocol: 'icmp', virtualIP: '10.64.0.99', to: '10.64.2.1' },
    ]);
  });

  test('are named to conntrack so that no other is met', () => {
    expect(removal({ protocol: 'udp', virtualIP: '10.64.0.5', to: '10.64.9.9' }).join(' ')).toBe(
      'conntrack -D -p udp --orig-dst 10.64.0.5 --reply-src 10.64.9.9',
    );
    expect(removal({ protocol: 'udp', virtualIP: 'fd12::5', to: 'fd12::9' }).join(' ')).toBe(
      'conntrack -D -f ipv6 -p udp --orig-dst fd12::5 --reply-src fd12::9',
    );
  });
});
