import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { changes, problems, wantedOf, type FoundTable, type Wanted } from './plan.ts';
import { inputTables } from './tables.ts';

const read = (name: string): string => readFileSync(new URL(`./testdata/${name}`, import.meta.url), 'utf8');
/** As `iptables-save` has it on a machine where ufw lets in nothing but the API. */
const ufw = read('ufw.txt');
/** As `nft -j list table inet firewalld` has it where the public zone lets in nothing but the API. */
const firewalld = read('firewalld.json');

const open = '*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\nCOMMIT\n';
const names = { bridge: 'orc-0123456789', gateway: '10.64.0.1' };
const tunnels = { local: '10.0.0.1', peers: ['10.0.0.2', '10.0.0.3'] };
const wanted: Wanted = { names, tunnels };
const withRule = (saved: string, ...lines: readonly string[]): string =>
  saved.replace('-A INPUT', `${lines.join('\n')}\n-A INPUT`);
const ours = ['udp', 'tcp'].map(
  (protocol) =>
    `-A INPUT -i orc-+ -p ${protocol} -m ${protocol} --dport 53 -m comment --comment "orc: names" -j ACCEPT`,
);
const tableOf = (json: string, table = 'firewalld', chain = 'filter_INPUT'): FoundTable => ({
  ...{ family: 'inet', table, chain, json },
});
const inWords = (saved: string, tables: readonly FoundTable[] = [], is = wanted): readonly string[] =>
  problems(is, { saved, tables }).map(({ message }) => message);

describe('the rule that lets containers ask for names', () => {
  test('is added where the firewall drops them, and only what is missing of it', () => {
    const text = changes(wanted, { saved: ufw }) ?? '';
    expect(text.split('\n')).toEqual([
      '*filter',
      ...ours.map((line) => line.replace('-A', '-I')),
      'COMMIT',
      '',
    ]);
    expect(changes(wanted, { saved: withRule(ufw, ...ours) })).toBeUndefined();
    expect(changes(wanted, { saved: withRule(ufw, ours[0] ?? '') })).toMatch(
      /^\*filter\n-I .*tcp.*\nCOMMIT\n$/,
    );
  });

  test('is not added where they pass without, and goes when they do', () => {
    expect(changes(wanted, { saved: open })).toBeUndefined();
    expect(changes(wanted, { saved: '' })).toBeUndefined();
    const left = open.replace('COMMIT', `${ours.join('\n')}\nCOMMIT`);
    expect(changes(wanted, { saved: left })).toMatch(/^\*filter\n-D .*\n-D .*\nCOMMIT\n$/);
  });

  test('goes with the last network', () => {
    expect(changes({ tunnels }, { saved: withRule(ufw, ...ours) })).toMatch(/\n-D .*\n-D /);
    expect(changes({ tunnels }, { saved: ufw })).toBeUndefined();
  });
});

describe('what the firewall drops of other nodes is told', () => {
  test('with the port, the node and what opens it, for ufw', () => {
    expect(inWords(ufw)).toEqual([
      expect.stringMatching(
        /drops UDP 4789 from 10\.0\.0\.2 and 1 other nodes \(chain INPUT of iptables\).*`ufw allow proto udp from 10\.0\.0\.2 to any port 4789`/,
      ),
    ]);
  });

  test('and for firewalld, with the names that containers ask for', () => {
    expect(inWords(open, [tableOf(firewalld)])).toEqual([
      expect.stringMatching(/nftables table inet firewalld.*`firewall-cmd --permanent --add-port=4789\/udp/),
      expect.stringMatching(/name server of orc.*--zone=trusted --add-interface=orc-\+/),
    ]);
  });

  test('but not where firewalld trusts the bridges, as it does for an engine that knows of it', () => {
    const trusting = (name: string): string => {
      const { nftables } = JSON.parse(firewalld) as { nftables: readonly object[] };
      const left = { meta: { key: 'iifname' } };
      const expr = [{ match: { op: '==', left, right: name } }, { accept: null }];
      const chain = 'filter_INPUT_POLICIES';
      const at = nftables.findIndex((one) => 'rule' in one);
      return JSON.stringify({
        nftables: [...nftables.slice(0, at), { rule: { chain, expr } }, ...nftables.slice(at)],
      });
    };
    for (const name of [names.bridge, 'orc-*'])
      expect(inWords(open, [tableOf(trusting(name))])).toHaveLength(1);
    expect(inWords(open, [tableOf(trusting('orc-9'))])).toHaveLength(2);
  });

  test('but not what passes, in whichever words', () => {
    for (const rule of [
      '-A ufw-user-input -s 10.0.0.0/24 -p udp -m udp --dport 4789 -j ACCEPT',
      '-A ufw-user-input -p udp -m multiport --dports 53,4780:4790 -j ACCEPT',
      '-A ufw-user-input ! -s 192.168.0.0/16 -j ACCEPT',
      // Not understood, so nothing is said.
      '-A ufw-user-input -m set --match-set friends src -j ACCEPT',
      '-A ufw-user-input -i eth0 -j ACCEPT',
    ])
      expect([rule, inWords(`${ufw}${rule}\n`)]).toEqual([rule, []]);
    for (const rule of [
      '-A ufw-user-input -s 10.1.0.0/24 -p udp -m udp --dport 4789 -j ACCEPT',
      '-A ufw-user-input -i docker0 -j ACCEPT',
      '-A ufw-user-input -p udp -m udp --dport 4789 -m comment --comment "-j ACCEPT" -j LOG',
    ])
      expect([rule, inWords(`${ufw}${rule}\n`).length]).toEqual([rule, 1]);
  });

  test('also of a table of nftables that the user wrote', () => {
    const match = (left: unknown, right: unknown) => ({ match: { op: '==', left, right } });
    const port = { payload: { protocol: 'udp', field: 'dport' } };
    const source = { payload: { protocol: 'ip', field: 'saddr' } };
    const table = (...exprs: readonly (readonly unknown[])[]): FoundTable =>
      tableOf(
        JSON.stringify({
          nftables: [
            { chain: { family: 'inet', table: 'filter', name: 'input', hook: 'input', policy: 'drop' } },
            ...exprs.map((expr) => ({ rule: { chain: 'input', expr } })),
          ],
        }),
        'filter',
        'input',
      );
    const states = [['established', { accept: null }], ['invalid', { drop: null }]]; // prettier-ignore
    const established = [{ vmap: { key: { ct: { key: 'state' } }, data: { set: states } } }];
    const bridges = [match({ meta: { key: 'iifname' } }, 'orc-*'), { accept: null }];
    const count = (...exprs: readonly (readonly unknown[])[]): number =>
      inWords('', [table(...exprs)]).length;
    expect(count(established)).toBe(2);
    expect(count(established, bridges)).toBe(1);
    expect(count(bridges, [match(port, { set: [53, { range: [4000, 5000] }] }), { accept: null }])).toBe(0);
    expect(count(bridges, [match(source, { prefix: { addr: '10.0.0.0', len: 8 } }), { accept: null }])).toBe(
      0,
    );
    expect(count(bridges, [match(source, '@friends'), match(port, 4789), { accept: null }])).toBe(0);
    expect(count(bridges, [match(port, 4788), { accept: null }])).toBe(1);
  });
});

test('what is wanted is names where there is a bridge, and tunnels from each other node once', () => {
  const peers = ['10.0.0.3', '10.0.0.2', '10.0.0.3'].map((address) => ({ address }));
  expect(wantedOf([names], peers, '10.0.0.1')).toEqual(wanted);
  expect(wantedOf([], [], undefined)).toEqual({ tunnels: { local: '', peers: [] } });
});

test('tables that filter what comes to the node are those of neither iptables nor orc', () => {
  const chain = (family: string, table: string, name: string, hook?: string) => ({
    chain: { ...{ family, table, name }, ...(hook === undefined ? {} : { hook }) },
  });
  const json = JSON.stringify({
    nftables: [
      { metainfo: {} },
      chain('ip', 'filter', 'INPUT', 'input'),
      chain('ip', 'orc_ingress', 'pre', 'prerouting'),
      chain('inet', 'firewalld', 'filter_INPUT', 'input'),
      chain('inet', 'firewalld', 'filter_IN_public'),
      chain('ip6', 'mine', 'input', 'input'),
    ],
  });
  expect(inputTables(json)).toEqual([{ family: 'inet', table: 'firewalld', chain: 'filter_INPUT' }]);
});
