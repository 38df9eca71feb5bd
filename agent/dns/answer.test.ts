import { describe, expect, test } from '@jest/globals';
import { answer, type Answer } from './answer.ts';
import type { DnsContainer, DnsInput, DnsService } from './names.ts';
import { reverseAddress } from './reverse.ts';
import { viewOf } from './view.ts';

const front = 'default/hello-default';
const back = 'default/shared';
const other = 'default/other-default';

const service = (name: string, rest: Partial<DnsService> = {}): DnsService => ({
  namespace: 'default',
  name,
  short: name,
  mode: 'vip',
  networks: [],
  endpoints: [],
  ...rest,
});
const container = (ip: string, rest: Partial<DnsContainer> = {}): DnsContainer => ({
  namespace: 'default',
  stack: 'hello',
  service: 'hello-web',
  slot: '1',
  addresses: [{ network: front, ip }],
  ...rest,
});
const at = (network: string, ...ips: string[]) =>
  ips.map((ip, i) => ({ slot: String(i + 1), addresses: [{ network, ip }] }));

const input: DnsInput = {
  networks: [
    { key: front, subnets: ['10.64.0.0/20'] },
    { key: back, subnets: ['10.64.16.0/20'] },
    { key: other, subnets: ['10.64.32.0/20'] },
  ],
  containers: [
    container('10.64.1.1'),
    container('10.64.1.9', {
      service: 'hello-db',
      addresses: [
        { network: front, ip: '10.64.1.9' },
        { network: back, ip: '10.64.17.9' },
      ],
    }),
    container('10.64.33.1', {
      stack: 'other',
      service: 'other-x',
      addresses: [
        { network: other, ip: '10.64.33.1' },
        { network: back, ip: '10.64.17.1' },
      ],
    }),
  ],
  services: [
    service('hello-web', {
      stack: 'hello',
      short: 'web',
      networks: [{ network: front, virtualIP: '10.64.0.5', aliases: ['www', 'Shop'] }],
      endpoints: at(front, '10.64.1.1', '10.64.1.2', '10.64.1.3'),
    }),
    service('hello-db', {
      stack: 'hello',
      short: 'db',
      networks: [
        { network: front, virtualIP: '10.64.0.6' },
        { network: back, virtualIP: '10.64.16.6', aliases: ['store', 'web'] },
      ],
      endpoints: [
        {
          slot: '1',
          addresses: [
            { network: front, ip: '10.64.1.9' },
            { network: back, ip: '10.64.17.9' },
          ],
        },
      ],
    }),
    service('hello-rr', {
      stack: 'hello',
      short: 'rr',
      mode: 'dnsrr',
      networks: [{ network: front, virtualIP: '10.64.0.7' }],
      endpoints: at(front, '10.64.1.4', '10.64.1.5'),
    }),
    service('hello-idle', { stack: 'hello', short: 'idle', networks: [{ network: front }] }),
    service('hello-each', {
      stack: 'hello',
      short: 'each',
      networks: [{ network: front, virtualIP: '10.64.0.9' }],
      endpoints: [{ slot: 'n1.example', addresses: [{ network: front, ip: '10.64.1.7' }] }],
    }),
    service('other-web', {
      stack: 'other',
      short: 'web',
      networks: [
        { network: other, virtualIP: '10.64.32.5' },
        { network: back, virtualIP: '10.64.16.5', aliases: ['store'] },
      ],
      endpoints: at(back, '10.64.17.1'),
    }),
    service('other-hidden', {
      stack: 'other',
      short: 'hidden',
      networks: [{ network: other, virtualIP: '10.64.32.6' }],
    }),
    service('alone', { networks: [{ network: back, virtualIP: '10.64.16.7' }] }),
  ],
};
const view = viewOf(input);

/** A network of two families: tasks 1 and 2 of `six` have both, task 3 is on a node without IPv6. */
const both = (ip: string) => [{ network: front, ip }, { network: front, ip: `fd12::${ip.split('.').at(-1) ?? ''}` }]; // prettier-ignore
const dual = (mode: 'vip' | 'dnsrr', ...addresses: readonly DnsContainer['addresses'][]) =>
  viewOf({
    networks: [{ key: front, subnets: ['10.64.0.0/20', 'fd12::/64'] }],
    containers: [
      container('', { addresses: both('10.64.1.1') }),
      container('', { addresses: [{ network: front, ip: '10.64.1.8' }] }),
    ],
    services: [
      service('six', {
        mode,
        networks: [{ network: front, virtualIP: '10.64.0.5', virtualIP6: 'fd12::a' }],
        endpoints: addresses.map((all, i) => ({ slot: String(i + 1), addresses: all })),
      }),
    ],
  });
const web = '10.64.1.1';
const db = '10.64.1.9';
const stranger = '10.64.33.1';

const ask = (name: string, source = web, type = 'A', cls = 'IN'): Answer =>
  answer({ labels: name.toLowerCase().split('.'), type, class: cls }, source, view);
/** The addresses, sorted; else the kind of the answer. */
const got = (name: string, source = web, type = 'A'): string => {
  const reply = ask(name, source, type);
  return reply.kind === 'records'
    ? reply.records
        .map(({ data }) => data)
        .sort()
        .join(' ')
    : reply.kind;
};

describe('a name of a service', () => {
  test.each([
    'web',
    'WEB',
    'web.hello',
    'hello-web',
    'web.default',
    'web.hello.default',
    'hello-web.default',
    'www',
    'shop',
    'www.default',
    'web.default.orc.internal',
    'Web.Hello.default.ORC.internal',
    'hello-web.default.orc.internal',
    'shop.default.orc.internal',
  ])('%s gives its virtual IP', (name) => expect(got(name)).toBe('10.64.0.5'));

  test.each(['rr', 'tasks.rr', 'rr.hello.default.orc.internal'])(
    'with endpoint mode dnsrr, %s gives all ready addresses',
    (name) => expect(got(name)).toBe('10.64.1.4 10.64.1.5'),
  );

  test.each([
    'tasks.web',
    'tasks.www',
    'tasks.web.hello',
    'tasks.hello-web',
    'tasks.web.default.orc.internal',
  ])('%s gives every ready address', (name) => expect(got(name)).toBe('10.64.1.1 10.64.1.2 10.64.1.3'));

  test.each(['2.web', '2.hello-web', '2.web.hello.default', '2.web.default.orc.internal'])(
    '%s gives the address of that slot',
    (name) => expect(got(name)).toBe('10.64.1.2'),
  );

  test('of a global service has the nodes for slots, also with dots', () =>
    expect(got('n1.example.each')).toBe('10.64.1.7'));

  test('of a slot that is not ready is asked for nowhere else', () => {
    expect(got('4.web')).toBe('nxdomain');
    expect(got('1.idle.default')).toBe('nxdomain');
  });

  test('is the same on each network, by an address of a network that the asker is on', () => {
    expect(got('db', web)).toBe('10.64.0.6');
    expect(got('db.hello', stranger)).toBe('10.64.16.6');
    expect(got('tasks.db.hello', stranger)).toBe('10.64.17.9');
    expect(got('tasks.db', db)).toBe('10.64.1.9');
  });

  test('without anything ready, or without such records, is there', () => {
    expect(got('idle')).toBe('empty');
    expect(got('tasks.idle')).toBe('empty');
    expect(got('web', web, 'AAAA')).toBe('empty');
    expect(got('web', web, 'UNKNOWN_65')).toBe('empty');
    expect(got('web', web, 'ANY')).toBe('10.64.0.5');
  });

  test('has its addresses in another order each time', () => {
    const order = (random: () => number): string[] => {
      const reply = answer({ labels: ['tasks', 'web'], type: 'A', class: 'IN' }, web, view, random);
      return reply.kind === 'records' ? reply.records.map(({ data }) => data) : [];
    };
    const draws =
      (...numbers: number[]) =>
      () =>
        numbers.shift() ?? 0;
    expect(order(draws(0.3, 0.1, 0.2))).toEqual(['10.64.1.2', '10.64.1.3', '10.64.1.1']);
    expect(order(draws(0.1, 0.3, 0.2))).toEqual(['10.64.1.1', '10.64.1.3', '10.64.1.2']);
  });
});

describe('what an asker sees', () => {
  test('is on its own networks only', () => {
    expect(got('web.other', web)).toBe('upstream');
    expect(got('web.other.default.orc.internal', web)).toBe('nxdomain');
    expect(got('store', web)).toBe('upstream');
    expect(got('alone', web)).toBe('upstream');
    expect(got('hidden.other', db)).toBe('upstream');
    expect(got('web.other', db)).toBe('10.64.16.5');
    expect(got('alone', db)).toBe('10.64.16.7');
  });

  test('is its own stack first, whatever others call themselves', () => {
    // hello-db has the alias `web` on the shared network.
    expect(got('web', db)).toBe('10.64.0.5');
    expect(got('web', stranger)).toBe('10.64.16.5');
    expect(got('store', db)).toBe('10.64.16.6');
    expect(got('store', stranger)).toBe('10.64.16.5');
  });

  test('of a service on two networks is the virtual IP that has something behind it', () => {
    // Its first network has a virtual IP of other-web, too, with nothing ready there.
    expect(got('web', stranger)).toBe('10.64.16.5');
    expect(got('hidden', stranger)).toBe('10.64.32.6');
  });

  test('is nothing for a stranger, of another class, and of whole zones', () => {
    expect(ask('web', '10.64.1.250').kind).toBe('refused');
    expect(ask('example.com', '10.64.1.250').kind).toBe('refused');
    expect(ask('version.bind', web, 'TXT', 'CH').kind).toBe('refused');
    expect(ask('orc.internal', web, 'AXFR').kind).toBe('refused');
  });

  test('is the rest of the world through the host', () => {
    expect(got('example.com')).toBe('upstream');
    expect(got('nothing')).toBe('upstream');
    expect(got('notorc.internal')).toBe('upstream');
    expect(got('com', web, 'NS')).toBe('upstream');
  });
});

describe('names below our domain', () => {
  test('that are not there are not asked for elsewhere', () => {
    expect(got('nothing.default.orc.internal')).toBe('nxdomain');
    expect(got('web.elsewhere.orc.internal')).toBe('nxdomain');
    expect(got('nothing.orc.internal', web, 'AAAA')).toBe('nxdomain');
  });

  test('with others below them are there', () => {
    expect(got('orc.internal')).toBe('empty');
    expect(got('orc.internal', web, 'SOA')).toBe('soa');
    expect(got('default.orc.internal')).toBe('empty');
    expect(got('hello.default.orc.internal')).toBe('empty');
    expect(got('other.default.orc.internal', web)).toBe('nxdomain');
    expect(got('other.default.orc.internal', db)).toBe('empty');
  });
});

describe('a reverse query', () => {
  const reverse = (ip: string, source = web, type = 'PTR'): string =>
    got(`${ip.split('.').reverse().join('.')}.in-addr.arpa`, source, type);

  test('names tasks and virtual IPs, so that the name leads back', () => {
    expect(reverse('10.64.1.2')).toBe('2.hello-web.default.orc.internal');
    expect(reverse('10.64.0.5')).toBe('hello-web.default.orc.internal');
    expect(got(reverse('10.64.1.2'))).toBe('10.64.1.2');
    expect(got(reverse('10.64.0.5'))).toBe('10.64.0.5');
    expect(reverse('10.64.1.2', web, 'A')).toBe('empty');
  });

  test('names the asker itself before it is ready', () => {
    const starting = { ...input, containers: [container('10.64.1.77', { slot: '7' })] };
    const labels = '77.1.64.10.in-addr.arpa'.split('.');
    expect(answer({ labels, type: 'PTR', class: 'IN' }, '10.64.1.77', viewOf(starting))).toEqual({
      kind: 'records',
      records: [{ type: 'PTR', data: '7.hello-web.default.orc.internal' }],
    });
  });

  test('of an address in our networks never leaves the node', () => {
    expect(reverse('10.64.1.200')).toBe('nxdomain');
    expect(reverse('10.64.32.5', web)).toBe('nxdomain');
    expect(reverse('10.64.32.5', stranger)).toBe('other-web.default.orc.internal');
    expect(reverse('10.80.0.1')).toBe('upstream');
    expect(reverse('192.0.2.1')).toBe('upstream');
  });

  test('is read in both families', () => {
    const nibbles = 'b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa';
    expect(reverseAddress(nibbles.split('.'))).toBe('2001:db8::567:89ab');
    expect(reverseAddress('1.2.3.in-addr.arpa'.split('.'))).toBeUndefined();
    expect(reverseAddress('256.2.3.4.in-addr.arpa'.split('.'))).toBeUndefined();
    expect(reverseAddress(['web'])).toBeUndefined();
  });
});

describe('on a network with IPv6', () => {
  const four = [{ network: front, ip: '10.64.1.3' }];
  const mixed = dual('vip', both('10.64.1.1'), both('10.64.1.2'), four);
  const six = (name: string, of = mixed, source = '10.64.1.1', type = 'AAAA'): unknown => {
    const given = answer({ labels: name.split('.'), type, class: 'IN' }, source, of, () => 0);
    return given.kind === 'records' ? given.records.map(({ data }) => data).sort() : given.kind;
  };

  test('a service, its tasks and slots have the addresses of both families that there are', () => {
    expect(six('six')).toEqual(['fd12::a']);
    expect(six('six', mixed, '10.64.1.1', 'A')).toEqual(['10.64.0.5']);
    expect(six('tasks.six')).toEqual(['fd12::1', 'fd12::2']);
    expect(six('tasks.six', mixed, '10.64.1.1', 'A')).toHaveLength(3);
    expect([six('2.six'), six('3.six')]).toEqual([['fd12::2'], 'empty']);
    expect(six('six', dual('dnsrr', both('10.64.1.1'), four))).toEqual(['fd12::1']);
    expect(six('six', dual('vip'))).toEqual(['fd12::a']);
  });

  test('who has none, and who only asks for what has none, is given none', () => {
    expect([six('six', mixed, '10.64.1.8'), six('tasks.six', mixed, '10.64.1.8')]).toEqual([
      'empty',
      'empty',
    ]);
    expect(six('six', dual('vip', four))).toBe('empty');
  });

  test('an address has its name backwards, and one that nobody has is not asked for elsewhere', () => {
    const reverse = (ip: string): unknown => {
      const digits = ip.replace('fd12::', '').padStart(28, '0');
      return six(`${[...`fd12${digits}`].reverse().join('.')}.ip6.arpa`, mixed, '10.64.1.1', 'PTR');
    };
    expect(reverse('fd12::a')).toEqual(['six.default.orc.internal']);
    expect(reverse('fd12::2')).toEqual(['2.six.default.orc.internal']);
    expect(reverse('fd12::99')).toBe('nxdomain');
    expect(six(`${Array(32).fill('1').join('.')}.ip6.arpa`, mixed, '10.64.1.1', 'PTR')).toBe('upstream');
  });
});
