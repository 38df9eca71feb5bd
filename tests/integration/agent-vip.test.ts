import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { run, type Run } from '../../agent/network/commands.ts';
import { VirtualIPs, type VirtualIP } from '../../agent/network/vip/index.ts';
import { readTable } from '../../agent/network/vip/read.ts';
import { ip6, normal } from '../../agent/network/vip/rules.ts';
import { ip6Of } from '../../api-schemas/index.ts';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { startTimeOf } from '../../kit/process.ts';
import { Lan, type Peer } from './agent-vip-harness.ts';

const lan = new Lan();
const service = '10.64.0.5';
let client: Peer;
let tasks: readonly Peer[];
let addresses: readonly string[];
let clock: FakeClock;
let vips: VirtualIPs;
let problems: (string | undefined)[];
/** As if a command were not installed, or failed. */
let breaks: (argv: readonly string[]) => number | undefined;
let commands: (readonly string[])[];

const watched: Run = (argv, stdin) => {
  commands.push(argv);
  const code = breaks(argv);
  return code === undefined ? run(argv, stdin) : Promise.resolve({ code, stdout: '', stderr: 'broken' });
};
const set = (...wanted: VirtualIP[]): Promise<void> => vips.set('client', client.process, wanted);
const to = (...endpoints: readonly string[]): VirtualIP => ({ ip: service, endpoints });
const tcp = (count: number, host = service): Promise<string[]> => client.do('tcp', { host, count });
const udp = (count: number, host = service): Promise<string[]> => client.do('udp', { host, count });
const flow = (): Promise<string> => client.do('flow', { host: service });
const tablesOf = (peer: Peer): string => peer.run('nft', 'list', 'tables').trim();
const kernel = (): readonly VirtualIP[] | undefined =>
  readTable(client.run('nft', '-j', 'list', 'table', 'ip', 'orc'));

/** The rules of the engine's own DNS in each container keep connections tracked, whatever we do. */
const trackAsDockerDoes = (): void => {
  client.run('nft', 'add table ip nat; add chain ip nat o { type nat hook output priority -100; }');
  client.run('nft', 'add rule ip nat o ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:33333');
};

beforeAll(async () => {
  await lan.start();
  tasks = await Promise.all(['10.64.1.1', '10.64.1.2', '10.64.2.1'].map((ip) => lan.add(ip)));
  addresses = tasks.map(({ ip }) => ip);
}, 60_000);
afterAll(() => lan.stop(), 30_000);

let number = 0;
beforeEach(async () => {
  client = await lan.add(`10.64.3.${++number}`);
  clock = new FakeClock();
  problems = [];
  commands = [];
  breaks = () => undefined;
  vips = new VirtualIPs({
    run: watched,
    clock,
    logger: silentLogger,
    onProblem: (_, message) => problems.push(message),
  });
});
afterEach(() => vips.close());

describe('a virtual IP', () => {
  test('leads to every endpoint, by TCP, UDP and ping', async () => {
    await set(to(...addresses));
    expect(new Set(await tcp(60))).toEqual(new Set(addresses));
    expect(new Set(await udp(60))).toEqual(new Set(addresses));
    expect(client.run('busybox', 'ping', '-c', '1', '-W', '5', service)).toContain('1 packets received');
    expect(problems).toEqual([]);
  });

  test('of IPv6 leads to every endpoint beside that of IPv4, and is repaired, refused and left as that is', async () => {
    const prefix = 'fd12:3456:7800:1001::/64';
    for (const peer of [client, ...tasks])
      peer.run('ip', 'addr', 'replace', `${ip6Of(prefix, peer.ip)}/64`, 'dev', 'eth0', 'nodad');
    const service6 = ip6Of(prefix, service);
    const dual = (...ips: readonly string[]): readonly VirtualIP[] => [
      to(...ips),
      { ip: service6, endpoints: ips.map((ip) => ip6Of(prefix, ip)) },
    ];
    const how = { hasIPv6: true, gateways: ['10.64.15.254', ip6Of(prefix, '10.64.15.254')] };
    const load = (...all: readonly VirtualIP[]): Promise<void> =>
      vips.set('client', client.process, all, how);
    const kernel6 = (): readonly VirtualIP[] | undefined =>
      readTable(client.run('nft', '-j', 'list', 'table', 'ip6', 'orc'), ip6);
    await load(...dual(...addresses));
    expect(problems).toEqual([]);
    expect(new Set(await tcp(60, service6))).toEqual(new Set(addresses));
    expect(new Set(await udp(60, service6))).toEqual(new Set(addresses));
    expect(new Set(await tcp(30))).toEqual(new Set(addresses));
    expect(client.run('busybox', 'ping', '-6', '-c', '1', '-W', '5', service6)).toContain(
      '1 packets received',
    );
    expect(client.run('ip', '-6', 'route', 'show', 'default')).toContain(
      `via ${ip6Of(prefix, '10.64.15.254')} `,
    );
    // A flow follows when its endpoint goes.
    const [first = ''] = addresses;
    await load(...dual(first));
    const ask = (): Promise<string> => client.do('flow', { host: service6 });
    expect(await ask()).toBe(first);
    await load(...dual(...addresses.slice(1)));
    expect(addresses.slice(1)).toContain(await ask());
    client.run('nft', 'flush', 'chain', 'ip6', 'orc', 'output');
    await vips.verify();
    expect(kernel6()).toEqual(normal(dual(...addresses.slice(1)).slice(1)));
    await load(...dual());
    expect(new Set(await tcp(2, service6))).toEqual(new Set(['ECONNREFUSED']));
    await load(to(...addresses));
    expect(tablesOf(client)).toBe('table ip orc');
  }, 30_000);

  test('comes with the default route that a container of several networks is to have', async () => {
    const routed = (): string => client.run('ip', '-4', 'route', 'show', 'default').trim();
    client.run('ip', 'route', 'add', 'default', 'via', '10.64.15.253');
    const start = (): Promise<void> =>
      vips.set('client', client.process, [to(...addresses)], { gateways: ['10.64.15.254'] });
    breaks = (argv) => (argv.includes('replace') ? 2 : undefined);
    await start();
    expect(problems).toEqual(['the default route by 10.64.15.254: broken']);
    breaks = () => undefined;
    await start();
    expect(routed()).toBe('default via 10.64.15.254 dev eth0');
    client.run('ip', 'route', 'replace', 'default', 'via', '10.64.15.253');
    await vips.verify();
    expect(routed()).toBe('default via 10.64.15.254 dev eth0');
    expect(await tcp(1)).toHaveLength(1);
  });

  test('leads a client to one endpoint with affinity, also after another service has changed', async () => {
    const pinned = { ...to(...addresses), affinity: 'clientIP' } as const;
    await set(pinned, { ip: '10.64.0.6', endpoints: [] });
    const [first, ...others] = [...new Set(await tcp(20))];
    expect(addresses).toContain(first);
    expect(others).toEqual([]);
    await set(pinned, { ip: '10.64.0.6', endpoints: addresses });
    expect(new Set(await tcp(20))).toEqual(new Set([first]));
    // Loaded anew, as after a restart of the agent, and with another one away.
    vips.forget('client');
    await set({
      ...pinned,
      endpoints: addresses.filter((ip, i) => ip === first || addresses[(i + 1) % 3] !== first),
    });
    expect(new Set(await tcp(20))).toEqual(new Set([first]));
    await set({ ...pinned, endpoints: addresses.filter((ip) => ip !== first) });
    expect(new Set(await tcp(20)).size).toBe(1);
  });

  test('without endpoints refuses at once, until there is one', async () => {
    await set(to());
    expect(await tcp(3)).toEqual(['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']);
    expect(await udp(1)).toEqual(['ECONNREFUSED']);
    await set(to('10.64.1.1'));
    expect(await tcp(3)).toEqual(['10.64.1.1', '10.64.1.1', '10.64.1.1']);
  });

  test('loses no connection while its endpoints, and others, change', async () => {
    await set(to(...addresses));
    await client.do('loadStart', { host: service });
    for (let i = 0; i < 60; i++) {
      const without = addresses.filter((_, n) => n !== i % 3);
      const others = Array.from({ length: i % 4 }, (_, n) => ({
        ip: `10.64.0.${20 + n}`,
        endpoints: without,
      }));
      await set(to(...without), ...others);
      // Every tenth change replaces everything, as after a restart of the agent.
      if (i % 10 === 0) vips.forget('client');
    }
    const counts = await client.do<{ ok: number; failed: string[] }>('loadStop');
    console.log(`connections during the changes: ${counts.ok}`);
    expect(counts.failed).toEqual([]);
    expect(counts.ok).toBeGreaterThan(100);
  }, 60_000);

  test('keeps a connection whose endpoint is taken away, and when the rules are replaced', async () => {
    await set(to('10.64.1.1'));
    await client.do('begin', { host: service });
    expect(await client.do('begun')).toBe('10.64.1.1');
    await set(to('10.64.1.2'));
    expect(await client.do('echo', { text: 'a' })).toBe('a');
    vips.forget('client');
    await set(to('10.64.1.2'));
    expect(await client.do('echo', { text: 'b' })).toBe('b');
    trackAsDockerDoes();
    await set();
    expect(tablesOf(client)).not.toContain('orc');
    expect(await client.do('echo', { text: 'c' })).toBe('c');
  });

  test('moves datagrams of one flow off an endpoint that is taken away, and only off that', async () => {
    await set(to('10.64.1.1'));
    expect(await flow()).toBe('10.64.1.1');
    await set(to('10.64.1.1', '10.64.1.2'));
    expect(await flow()).toBe('10.64.1.1');
    await set(to('10.64.1.2'));
    expect(await flow()).toBe('10.64.1.2');
    await set(to());
    expect(await flow()).toBe('ECONNREFUSED');
    await set(to('10.64.2.1'));
    expect(await flow()).toBe('10.64.2.1');
    await client.do('endFlow');
  });

  test('takes over a flow that was begun before the rules were there', async () => {
    trackAsDockerDoes();
    const answer = flow();
    // It is tracked once it has left.
    while (!client.run('conntrack', '-L').includes(service))
      await new Promise((resolve) => setImmediate(resolve));
    await set(to('10.64.1.1'));
    expect(await answer).toBe('10.64.1.1');
    await client.do('endFlow');
  });
});

describe('the rules', () => {
  test('are waited for from before the container is known until they are loaded', async () => {
    let isReady = false;
    const ready = vips.ready('client').then(() => (isReady = true));
    await Promise.resolve();
    expect(isReady).toBe(false);
    await set(to('10.64.1.1'));
    await ready;
    await vips.ready('client');
    expect(await tcp(1)).toEqual(['10.64.1.1']);
  });

  test('in the kernel are those asked for last, whatever came before', async () => {
    let seed = 1;
    const draw = (below: number): number => (seed = (seed * 48_271) % 2_147_483_647) % below;
    const some = (): VirtualIP[] =>
      Array.from({ length: draw(6) }, (_, i) => ({
        ip: `10.64.0.${1 + ((i + draw(3)) % 7)}`,
        endpoints: Array.from({ length: draw(4) }, () => `10.64.1.${1 + draw(5)}`),
        ...(draw(2) === 0 ? { affinity: 'clientIP' as const } : {}),
      }));
    for (let i = 0; i < 40; i++) {
      const wanted = some();
      await set(...wanted);
      if (wanted.length === 0) expect(tablesOf(client)).toBe('');
      else expect(kernel()).toEqual(normal(wanted));
    }
    expect(problems).toEqual([]);
  }, 60_000);

  test('of many changes at once are loaded once, and the last ones', async () => {
    await set(to('10.64.1.1'));
    const loads = (): number => commands.filter((argv) => argv.includes('-f') && argv.includes('nft')).length;
    const before = loads();
    await Promise.all(Array.from({ length: 50 }, (_, i) => set(to(`10.64.1.${1 + (i % 2)}`))));
    expect(loads() - before).toBeLessThanOrEqual(2);
    expect(kernel()).toEqual([to('10.64.1.2')]);
  });

  test.each([
    ['the table is deleted', ['delete', 'table', 'ip', 'orc']],
    ['a chain is emptied', ['flush', 'chain', 'ip', 'orc', 'vip_10_64_0_5']],
    ['a rule is added', ['add', 'rule', 'ip', 'orc', 'output', 'drop']],
    ['a virtual IP is taken out', ['delete', 'element', 'ip', 'orc', 'vips', '{ 10.64.0.5 }']],
  ])('are repaired when %s by hand', async (_, change) => {
    await set(to('10.64.1.1', '10.64.1.2'));
    client.run('nft', ...change);
    await vips.verify();
    expect(kernel()).toEqual([to('10.64.1.1', '10.64.1.2')]);
    const before = commands.length;
    await vips.verify();
    // Nothing to repair: it has looked, and loaded nothing.
    expect(commands.slice(before).map((argv) => argv.slice(2, 4).join(' '))).toEqual(['nft -j']);
  });

  test('are repaired by themselves, within the time of a comparison', async () => {
    await set(to('10.64.1.1'));
    client.run('nft', 'delete', 'table', 'ip', 'orc');
    clock.advance(30_000);
    // It has begun by now; this waits for it.
    await set(to('10.64.1.1'));
    expect(kernel()).toEqual([to('10.64.1.1')]);
  });

  test('are changed whole when a change finds them changed by hand', async () => {
    await set(to('10.64.1.1'));
    client.run('nft', 'delete', 'table', 'ip', 'orc');
    await set(to('10.64.1.2'));
    expect(kernel()).toEqual([to('10.64.1.2')]);
    expect(problems).toEqual([]);
  });

  test('that cannot be loaded are told, and tried again', async () => {
    breaks = (argv) => (argv.includes('nft') ? 127 : undefined);
    await set(to('10.64.1.1'));
    expect(problems).toEqual([expect.stringContaining('install nftables')]);
    breaks = () => undefined;
    clock.advance(1_000);
    await vips.ready('client');
    expect(await tcp(1)).toEqual(['10.64.1.1']);
    await vips.verify();
    expect(problems.at(-1)).toBeUndefined();
  });

  test('are loaded also where conntrack is not installed', async () => {
    breaks = (argv) => (argv.includes('conntrack') ? 127 : undefined);
    await set(to('10.64.1.1'));
    expect(await tcp(1)).toEqual(['10.64.1.1']);
    expect(problems).toEqual([]);
  });
});

describe('no rules are loaded', () => {
  test('for a pid that belongs to another process by now, nor for one that is gone', async () => {
    await vips.set('other', { ...client.process, startTime: '1' }, [to('10.64.1.1')]);
    expect(tablesOf(client)).toBe('');
    const child = spawn('true');
    const { pid = 0 } = child;
    await once(child, 'exit');
    await vips.set('gone', { pid, startTime: '1' }, [to('10.64.1.1')]);
    expect(commands).toEqual([]);
    expect(problems).toEqual([]);
  });

  test('in the namespace of the agent itself', async () => {
    const child = spawn('cat');
    await once(child, 'spawn');
    const { pid = 0 } = child;
    await vips.set('host', { pid, startTime: startTimeOf(pid) ?? '' }, [to('10.64.1.1')]);
    child.kill();
    expect(commands).toEqual([]);
    expect(problems).toEqual([expect.stringContaining('no network namespace of its own')]);
  });
});

test('a thousand services with ten endpoints each are loaded, changed and compared', async () => {
  const many = Array.from({ length: 1_000 }, (_, i) => ({
    ip: `10.65.${i >> 8}.${i & 255}`,
    endpoints: Array.from({ length: 10 }, (_, n) => `10.66.${i >> 8}.${(i + n) & 255}`),
  }));
  const timed = async (what: string, job: () => Promise<void>): Promise<string> => {
    const started = performance.now();
    await job();
    return `${what} ${(performance.now() - started).toFixed(0)} ms`;
  };
  const others = await Promise.all(Array.from({ length: 7 }, (_, i) => lan.add(`10.64.4.${i + 1}`)));
  const all = [client, ...others];
  const times = [
    await timed('load', () => set(...many, to('10.64.1.1'))),
    await timed('change one', () => set(...many, to('10.64.1.2'))),
    await timed('add one', () => set(...many, to('10.64.1.2'), { ip: '10.64.0.6', endpoints: [] })),
    await timed('compare', () => vips.verify()),
    await timed('load in eight containers', async () => {
      await Promise.all(all.map((peer) => vips.set(peer.ip, peer.process, [...many, to('10.64.1.1')])));
    }),
    await timed('change in eight containers', async () => {
      await Promise.all(all.map((peer) => vips.set(peer.ip, peer.process, [...many, to('10.64.1.2')])));
    }),
  ];
  console.log(`1,000 services with 10 endpoints: ${times.join(', ')}`);
  expect(problems).toEqual([]);
  expect(await tcp(1)).toEqual(['10.64.1.2']);
  expect(kernel()).toHaveLength(1_001);
}, 60_000);
