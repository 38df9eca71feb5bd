import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { decode, encode } from 'dns-packet';
import fc from 'fast-check';
import { FakeClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';
import { Handler, type HandlerOptions } from './handler.ts';
import { Listeners } from './listeners.ts';
import { hostResolvers, nameservers } from './resolv-conf.ts';
import { viewOf } from './view.ts';

const source = '10.0.1.1';
const view = viewOf({
  networks: [{ key: 'n', subnets: ['10.0.0.0/16'] }],
  containers: [{ namespace: 'd', service: 'web', slot: '1', addresses: [{ network: 'n', ip: source }] }],
  services: [
    {
      namespace: 'd',
      name: 'web',
      short: 'web',
      mode: 'vip',
      networks: [{ network: 'n', virtualIP: '10.0.0.5' }],
      endpoints: [],
    },
  ],
});
const handlerWith = (options: Partial<HandlerOptions> = {}) => {
  const clock = new FakeClock();
  const handler = new Handler({
    view: () => view,
    ready: () => Promise.resolve(),
    upstream: { resolvers: () => Promise.resolve([]), own: () => new Set(), clock },
    clock,
    logger: silentLogger,
    ...options,
  });
  return { clock, handler };
};
const query = (name = 'web'): Buffer => encode({ type: 'query', id: 1, questions: [{ type: 'A', name }] });
const codeOf = (reply: Buffer | undefined): number => (reply?.readUInt16BE(2) ?? -1) & 0xf;
const isOver = async (promise: Promise<unknown>): Promise<boolean> => {
  let over = false;
  void promise.then(() => (over = true));
  await new Promise((resolve) => setImmediate(resolve));
  return over;
};

describe('an answer', () => {
  test('waits until the rules of the asker are loaded', async () => {
    let load = (): void => undefined;
    const loaded = new Promise<void>((resolve) => (load = resolve));
    const { handler } = handlerWith({ ready: () => loaded });
    const reply = handler.handle(query(), source, 'udp');
    expect(await isOver(reply)).toBe(false);
    load();
    expect(decode((await reply) ?? Buffer.alloc(0)).answers).toMatchObject([{ data: '10.0.0.5', ttl: 5 }]);
  });

  test('waits five seconds at most, and not when the rules have failed', async () => {
    const { clock, handler } = handlerWith({ ready: () => new Promise(() => undefined) });
    const reply = handler.handle(query(), source, 'udp');
    clock.advance(4_999);
    expect(await isOver(reply)).toBe(false);
    clock.advance(1);
    expect(codeOf(await reply)).toBe(0);
    const { handler: other } = handlerWith({ ready: () => Promise.reject(new Error('no nft')) });
    expect(codeOf(await other.handle(query(), source, 'udp'))).toBe(0);
  });

  test('is refused to a stranger at once', async () => {
    const { handler } = handlerWith({ ready: () => new Promise(() => undefined) });
    expect(codeOf(await handler.handle(query(), '10.0.9.9', 'udp'))).toBe(5);
  });

  test('is not given beyond the places of one asker, and again when one is free', async () => {
    let load = (): void => undefined;
    const loaded = new Promise<void>((resolve) => (load = resolve));
    const { handler } = handlerWith({ ready: () => loaded, mostQueriesEach: 2 });
    const held = [handler.handle(query(), source, 'udp'), handler.handle(query(), source, 'udp')];
    expect(codeOf(await handler.handle(query(), source, 'udp'))).toBe(2);
    load();
    await Promise.all(held);
    expect(codeOf(await handler.handle(query(), source, 'udp'))).toBe(0);
    expect(handler.counts()).toMatchObject({ answered: 3, overload: 1 });
  });

  test('of a name that is not there says for how long that holds', async () => {
    const { handler } = handlerWith();
    const reply = await handler.handle(query('nothing.d.orc.internal'), source, 'udp');
    expect(codeOf(reply)).toBe(3);
    expect(decode(reply ?? Buffer.alloc(0)).authorities).toMatchObject([
      { type: 'SOA', name: 'orc.internal', ttl: 1, data: { minimum: 1 } },
    ]);
  });

  test('fails when the host has no resolver', async () => {
    const { handler } = handlerWith();
    expect(codeOf(await handler.handle(query('example.com'), source, 'udp'))).toBe(2);
    expect(handler.counts()).toMatchObject({ failed: 1 });
  });

  test('to garbage is an error or nothing, and each is counted once', async () => {
    const { handler } = handlerWith();
    let sent = 0;
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const reply = await handler.handle(Buffer.from(bytes), source, 'udp');
        sent++;
        // Whatever it is, nothing larger comes back: nobody is flooded through us.
        expect(reply?.length ?? 0).toBeLessThanOrEqual(Math.max(512, bytes.length));
      }),
      { numRuns: 500 },
    );
    expect(Object.values(handler.counts()).reduce((sum, count) => sum + count)).toBe(sent);
  });
});

describe('the resolvers of the host', () => {
  test('are the first three valid ones of the file', () => {
    const text = `# nameserver 9.9.9.9
search example.com
nameserver 127.0.0.53 # local
nameserver  fe80::1%eth0
nameserver nonsense
nameserver 127.0.0.53
\tnameserver 1.1.1.1
nameserver 8.8.8.8
`;
    expect(nameservers(text)).toEqual(['127.0.0.53', 'fe80::1%eth0', '1.1.1.1']);
  });

  test('are read again when the file has changed, and kept when it is away', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'orc-resolv-'));
    const path = join(dir, 'resolv.conf');
    const clock = new FakeClock();
    const resolvers = hostResolvers(clock, path);
    expect(await resolvers()).toEqual([]);
    writeFileSync(path, 'nameserver 1.1.1.1\n');
    clock.advance(1_000);
    expect(await resolvers()).toEqual(['1.1.1.1']);
    writeFileSync(path, 'nameserver 8.8.8.8\n');
    expect(await resolvers()).toEqual(['1.1.1.1']);
    clock.advance(1_000);
    expect(await resolvers()).toEqual(['8.8.8.8']);
    rmSync(dir, { recursive: true });
    clock.advance(1_000);
    expect(await resolvers()).toEqual(['8.8.8.8']);
  });
});

describe('the addresses listened on', () => {
  test('are those asked for last, and the rest is told with a remedy', async () => {
    const open = new Set<string>();
    const listeners = new Listeners(async (address) => {
      if (address === '10.0.0.9') throw Object.assign(new Error('bind'), { code: 'EADDRINUSE' });
      open.add(address);
      return () => Promise.resolve(void open.delete(address));
    });
    const first = listeners.set(['10.0.0.1', '10.0.0.2']);
    const second = listeners.set(['10.0.0.2', '10.0.0.9']);
    expect(await first).toEqual([]);
    const problems = await second;
    expect([...open]).toEqual(['10.0.0.2']);
    expect(problems).toEqual(listeners.problems());
    expect(problems).toMatchObject([
      {
        address: '10.0.0.9',
        message: expect.stringContaining('bind it to its own addresses only') as unknown,
      },
    ]);
  });
});
