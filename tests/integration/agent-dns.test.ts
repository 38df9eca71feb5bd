import { createSocket, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decode, encode, type DecodedPacket, type Packet } from 'dns-packet';
import { DnsServer, type DnsInput, type DnsOptions, type ListenProblem } from '../../agent/dns/index.ts';
import { frame, Frames } from '../../agent/dns/frames.ts';
import { systemClock } from '../../kit/clock.ts';
import { silentLogger } from '../../kit/log.ts';

/** Loopback addresses of this test's own: any in 127.0.0.0/8 can be bound. */
const net = `127.${100 + (process.pid % 100)}.${(process.pid >> 7) % 250}`;
const [gateway, second, asker, stranger, upstreamAddress] = [1, 2, 10, 11, 53].map((n) => `${net}.${n}`) as [
  string,
  string,
  string,
  string,
  string,
];
const input = (count = 3): DnsInput => ({
  networks: [{ key: 'd/n', subnets: [`${net}.0/24`] }],
  containers: [
    { namespace: 'd', stack: 's', service: 's-web', slot: '1', addresses: [{ network: 'd/n', ip: asker }] },
  ],
  services: [
    {
      namespace: 'd',
      stack: 's',
      name: 's-web',
      short: 'web',
      mode: 'vip',
      networks: [{ network: 'd/n', virtualIP: '10.9.0.5' }],
      endpoints: Array.from({ length: count }, (_, i) => ({
        slot: String(i + 1),
        addresses: [{ network: 'd/n', ip: `10.9.${1 + (i >> 8)}.${i & 255}` }],
      })),
    },
  ],
});

let server: DnsServer;
let port: number;
let upstream: Upstream;

/** A resolver that says what it is told to. */
class Upstream {
  readonly udp: Socket = createSocket('udp4');
  readonly tcp: Server = createServer();
  /** What came, by UDP and by TCP. */
  readonly asked: { via: 'udp' | 'tcp'; message: Buffer; port: number }[] = [];
  reply: (query: DecodedPacket, via: 'udp' | 'tcp', message: Buffer) => Buffer | undefined = () => undefined;

  async start(): Promise<number> {
    this.tcp.on('connection', (socket) => {
      const frames = new Frames(65_535);
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        for (const message of frames.push(chunk)) {
          this.asked.push({ via: 'tcp', message, port: socket.remotePort ?? 0 });
          const reply = this.reply(decode(message), 'tcp', message);
          if (reply !== undefined) socket.write(frame(reply));
        }
      });
    });
    this.tcp.listen(0, upstreamAddress);
    await once(this.tcp, 'listening');
    const { port: free } = this.tcp.address() as AddressInfo;
    this.udp.on('message', (message, { port: from, address }) => {
      this.asked.push({ via: 'udp', message, port: from });
      const reply = this.reply(decode(message), 'udp', message);
      if (reply !== undefined) this.udp.send(reply, from, address);
    });
    this.udp.bind(free, upstreamAddress);
    await once(this.udp, 'listening');
    return free;
  }

  close(): void {
    this.udp.close();
    this.tcp.close();
  }
}

const message = (name: string, packet: Packet = {}): Buffer =>
  encode({ type: 'query', id: 4711, flags: 0x100, questions: [{ type: 'A', name }], ...packet });

/** One exchange by UDP, from an address of the asker's. */
async function ask(bytes: Buffer, { from = asker, to = gateway } = {}): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    socket.bind(0, from);
    await once(socket, 'listening');
    const answered = once(socket, 'message') as Promise<[Buffer]>;
    socket.send(bytes, port, to);
    return (await answered)[0];
  } finally {
    socket.close();
  }
}

/** Messages over one connection, sent in one piece; resolves with as many answers, in the order they came. */
async function askTCP(messages: readonly Buffer[], from = asker): Promise<DecodedPacket[]> {
  const socket = connect({ host: gateway, port, localAddress: from });
  const frames = new Frames(65_535);
  const answers: DecodedPacket[] = [];
  socket.write(Buffer.concat(messages.map(frame)));
  for await (const chunk of socket) {
    answers.push(...frames.push(chunk as Buffer).map((reply) => decode(reply)));
    if (answers.length >= messages.length) break;
  }
  return answers;
}

const rcode = (packet: DecodedPacket): unknown => (packet as { rcode?: string }).rcode;
const dataOf = (packet: DecodedPacket): unknown[] =>
  (packet.answers ?? []).map((record) => 'data' in record && record.data);
const answered = (query: DecodedPacket, packet: Packet = {}): Buffer =>
  encode({ type: 'response', id: query.id, flags: 0x180, questions: query.questions, ...packet });

async function start(options: Partial<DnsOptions> = {}): Promise<void> {
  upstream = new Upstream();
  const upstreamPort = await upstream.start();
  const probe = createServer().listen(0, gateway);
  await once(probe, 'listening');
  ({ port } = probe.address() as AddressInfo);
  probe.close();
  await once(probe, 'close');
  server = new DnsServer({
    ready: () => Promise.resolve(),
    clock: systemClock,
    logger: silentLogger,
    resolvers: () => Promise.resolve([upstreamAddress]),
    port,
    upstreamPort,
    ...options,
  });
  server.update(input());
  await server.listen([gateway]);
  expect(server.problems()).toEqual([]);
}
async function stop(): Promise<void> {
  await server.close();
  upstream.close();
}
async function restart(options: Partial<DnsOptions>): Promise<void> {
  await stop();
  await start(options);
}
beforeEach(() => start());
afterEach(stop);

describe('a container', () => {
  test('is told the addresses of its networks, and a stranger nothing', async () => {
    const packet = decode(await ask(message('Web')));
    expect(packet).toMatchObject({ id: 4711, flag_aa: true, questions: [{ name: 'Web' }] });
    expect(packet.answers).toMatchObject([{ name: 'Web', type: 'A', ttl: 5, data: '10.9.0.5' }]);
    expect(rcode(decode(await ask(message('web'), { from: stranger })))).toBe('REFUSED');
    expect(rcode(decode(await ask(message('example.com'), { from: stranger })))).toBe('REFUSED');
    expect(upstream.asked).toEqual([]);
    expect(server.counts()).toMatchObject({ answered: 1, refused: 2 });
  });

  test('gets an answer that is too long for UDP by TCP', async () => {
    server.update(input(200));
    const cut = decode(await ask(message('tasks.web')));
    expect(cut.flag_tc).toBe(true);
    const [whole] = await askTCP([message('tasks.web')]);
    expect(new Set(whole === undefined ? [] : dataOf(whole)).size).toBe(200);
  });

  test('may send many queries at once over one connection, and end its side before the answers come', async () => {
    const messages = Array.from({ length: 50 }, (_, id) =>
      message(id % 2 === 0 ? 'web' : 'tasks.web', { id }),
    );
    const answers = await askTCP(messages);
    expect(answers.map(({ id }) => id).sort((a, b) => (a ?? 0) - (b ?? 0))).toEqual(
      messages.map((_, id) => id),
    );
    const socket = connect({ host: gateway, port, localAddress: asker });
    socket.end(frame(message('web')));
    const chunks: Buffer[] = [];
    for await (const chunk of socket) chunks.push(chunk as Buffer);
    expect(new Frames(65_535).push(Buffer.concat(chunks))).toHaveLength(1);
  });

  test('sees at once what has changed', async () => {
    expect(dataOf(decode(await ask(message('tasks.web'))))).toHaveLength(3);
    server.update(input(1));
    expect(dataOf(decode(await ask(message('tasks.web'))))).toEqual(['10.9.1.0']);
  });

  test('waits for its rules, while others are answered', async () => {
    let load = (): void => undefined;
    const loaded = new Promise<void>((resolve) => (load = resolve));
    await restart({ ready: (source) => (source === asker ? loaded : Promise.resolve()) });
    const { containers, ...rest } = input();
    const other = containers.map((container) => ({
      ...container,
      addresses: [{ network: 'd/n', ip: stranger }],
    }));
    server.update({ ...rest, containers: [...containers, ...other] });
    let isHeld = true;
    const held = ask(message('web')).then((reply) => ((isHeld = false), reply));
    expect(dataOf(decode(await ask(message('web'), { from: stranger })))).toEqual(['10.9.0.5']);
    expect(isHeld).toBe(true);
    load();
    expect(dataOf(decode(await held))).toEqual(['10.9.0.5']);
  });
});

test('an independent resolver understands every answer', async () => {
  server.update(input(200));
  upstream.reply = (query) => answered(query, { flags: 0x183 });
  const resolver = new Resolver();
  resolver.setServers([`${gateway}:${port}`]);
  resolver.setLocalAddress(asker);
  expect(await resolver.resolve4('WEB.d')).toEqual(['10.9.0.5']);
  expect(await resolver.resolve4('web.d.orc.internal', { ttl: true })).toEqual([
    { address: '10.9.0.5', ttl: 5 },
  ]);
  // Cut by UDP; it comes back by TCP.
  expect(new Set(await resolver.resolve4('tasks.web.s')).size).toBe(200);
  expect(await resolver.resolve4('7.web.s')).toEqual(['10.9.1.6']);
  expect(await resolver.reverse('10.9.1.6')).toEqual(['7.s-web.d.orc.internal']);
  expect(await resolver.reverse('10.9.0.5')).toEqual(['s-web.d.orc.internal']);
  expect(await resolver.resolveSoa('orc.internal')).toMatchObject({ nsname: 'ns.orc.internal', minttl: 1 });
  await expect(resolver.resolve6('web.s')).rejects.toMatchObject({ code: 'ENODATA' });
  await expect(resolver.resolveMx('web.s')).rejects.toMatchObject({ code: 'ENODATA' });
  await expect(resolver.resolve4('nothing.d.orc.internal')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  await expect(resolver.resolve4('example.com')).rejects.toMatchObject({ code: 'ENOTFOUND' });
});

describe('a name that is not ours', () => {
  const record = (data: string) => ({ type: 'A', name: 'example.com', ttl: 60, data }) as const;

  test('is asked of the host`s resolver, with other ids and ports and every option', async () => {
    upstream.reply = (query) => answered(query, { answers: [record('192.0.2.1')] });
    const option = { code: 10, data: Buffer.from('0102030405060708', 'hex') };
    const opt = { type: 'OPT', name: '.', udpPayloadSize: 1400, extendedRcode: 0, ednsVersion: 0 } as const;
    const additionals = [{ ...opt, flags: 0x8000, flag_do: true, options: [option as never] }];
    const sent = message('Example.COM', { additionals });
    for (let i = 0; i < 20; i++)
      expect(decode(await ask(sent))).toMatchObject({ id: 4711, questions: [{ name: 'Example.COM' }] });
    expect(dataOf(decode(await ask(sent)))).toEqual(['192.0.2.1']);
    for (const { message: came } of upstream.asked) expect(came.subarray(2)).toEqual(sent.subarray(2));
    expect(new Set(upstream.asked.map(({ message: came }) => came.readUInt16BE(0))).size).toBeGreaterThan(15);
    expect(new Set(upstream.asked.map(({ port: from }) => from)).size).toBeGreaterThan(15);
  });

  test('with an answer that was cut is cut by UDP, and whole by TCP', async () => {
    upstream.reply = (query, via) =>
      via === 'udp'
        ? answered(query, { flags: 0x380 })
        : answered(query, { answers: [record('192.0.2.1'), record('192.0.2.2')] });
    expect(decode(await ask(message('example.com'))).flag_tc).toBe(true);
    expect(upstream.asked.map(({ via }) => via)).toEqual(['udp']);
    const [whole] = await askTCP([message('example.com')]);
    expect(whole?.flag_tc).toBe(false);
    expect(whole === undefined ? [] : dataOf(whole)).toEqual(['192.0.2.1', '192.0.2.2']);
    expect(upstream.asked.map(({ via }) => via)).toEqual(['udp', 'udp', 'tcp']);
  });

  test('is asked again when an answer is lost, and of the next resolver when one cannot', async () => {
    let count = 0;
    upstream.reply = (query) =>
      count++ === 0 ? undefined : answered(query, { answers: [record('192.0.2.1')] });
    expect(dataOf(decode(await ask(message('example.com'))))).toEqual(['192.0.2.1']);
    // Nobody listens there: that is known at once, and the next one is asked.
    await restart({ resolvers: () => Promise.resolve([stranger, upstreamAddress]) });
    upstream.reply = (query) => answered(query, { answers: [record('192.0.2.2')] });
    expect(dataOf(decode(await ask(message('example.com'))))).toEqual(['192.0.2.2']);
  });

  test('never comes from a forged answer', async () => {
    upstream.reply = (query, _, came) => {
      const { port: from } = upstream.asked.at(-1) ?? { port: 0 };
      const forged = answered(
        { ...query, id: (came.readUInt16BE(0) + 1) & 0xffff },
        { answers: [record('6.6.6.6')] },
      );
      upstream.udp.send(forged, from, '127.0.0.1');
      upstream.udp.send(
        answered(query, { questions: [{ type: 'A', name: 'other' }], answers: [record('6.6.6.6')] }),
        from,
        '127.0.0.1',
      );
      return answered(query, { answers: [record('192.0.2.1')] });
    };
    expect(dataOf(decode(await ask(message('example.com'))))).toEqual(['192.0.2.1']);
  });

  test('is refused by all, or answered by none: the asker is told so', async () => {
    upstream.reply = (query) => answered(query, { flags: 0x185 });
    expect(rcode(decode(await ask(message('example.com'))))).toBe('REFUSED');
    expect(upstream.asked).toHaveLength(2);
    await restart({ upstreamBudgetMs: 50 });
    expect(rcode(decode(await ask(message('example.com'))))).toBe('SERVFAIL');
    expect(upstream.asked).toHaveLength(2);
  });

  test('is never asked of ourselves', async () => {
    await restart({ resolvers: () => Promise.resolve([gateway]), upstreamPort: port });
    expect(rcode(decode(await ask(message('example.com'))))).toBe('SERVFAIL');
    expect(server.counts()).toMatchObject({ failed: 1, refused: 0 });
  });

  test('takes places that one container alone cannot fill for the others', async () => {
    await restart({ mostQueriesEach: 3 });
    const waiting: (() => void)[] = [];
    upstream.reply = (query) => {
      const reply = answered(query);
      const { port: from } = upstream.asked.at(-1) ?? { port: 0 };
      waiting.push(() => upstream.udp.send(reply, from, '127.0.0.1'));
      return undefined;
    };
    const held = [1, 2, 3].map((n) => ask(message(`${n}.example.com`)));
    while (waiting.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(rcode(decode(await ask(message('4.example.com'))))).toBe('SERVFAIL');
    expect(server.counts()).toMatchObject({ overload: 1 });
    for (const release of waiting) release();
    await Promise.all(held);
  });
});

describe('the server', () => {
  test('listens on a set of addresses that changes', async () => {
    await server.listen([gateway, second]);
    expect(dataOf(decode(await ask(message('web'), { to: second })))).toEqual(['10.9.0.5']);
    await server.listen([second]);
    const socket = connect({ host: gateway, port });
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
    expect(dataOf(decode(await ask(message('web'), { to: second })))).toEqual(['10.9.0.5']);
  });

  test('names who is in the way, and takes the address when it is free', async () => {
    const told: (readonly ListenProblem[])[] = [];
    let tell = (): void => undefined;
    const freed = new Promise<void>((resolve) => (tell = resolve));
    await restart({ onProblems: (problems) => (told.push(problems), problems.length === 0 && tell()) });
    const other = createSocket('udp4');
    other.bind({ port, address: second, exclusive: true });
    await once(other, 'listening');
    await server.listen([gateway, second]);
    expect(server.problems()).toMatchObject([{ address: second }]);
    expect(dataOf(decode(await ask(message('web'))))).toEqual(['10.9.0.5']);
    other.close();
    await once(other, 'close');
    await freed;
    expect(told.map((problems) => problems.map(({ address }) => address))).toEqual([[second], []]);
    expect(dataOf(decode(await ask(message('web'), { to: second })))).toEqual(['10.9.0.5']);
  });

  test('survives garbage by UDP and TCP, and closes a connection that brings too much', async () => {
    const socket = createSocket('udp4');
    socket.bind(0, asker);
    await once(socket, 'listening');
    for (let i = 0; i < 500; i++) {
      const bytes = Buffer.from(Array.from({ length: i % 90 }, () => Math.floor(Math.random() * 256)));
      socket.send(bytes, port, gateway);
    }
    socket.send(Buffer.alloc(60_000, 0xff), port, gateway);
    const big = connect({ host: gateway, port, localAddress: asker });
    big.on('error', () => undefined);
    big.write(Buffer.from([0xff, 0xff, 1, 2, 3]));
    await once(big, 'close');
    socket.close();
    expect(dataOf(decode(await ask(message('web'))))).toEqual(['10.9.0.5']);
  });

  test('takes no more connections than it has places for, and closes idle ones', async () => {
    await restart({ tcp: { mostConnectionsEach: 2, idleMs: 200 } });
    const sockets = [1, 2].map(() => connect({ host: gateway, port, localAddress: asker }));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    const closed = sockets.map((socket) => once(socket, 'close'));
    for (const socket of sockets) socket.on('error', () => undefined).resume();
    const third = connect({ host: gateway, port, localAddress: asker });
    third.on('error', () => undefined).resume();
    await once(third, 'close');
    expect(server.counts()).toMatchObject({ overload: 1 });
    await Promise.all(closed);
    expect((await askTCP([message('web')])).length).toBe(1);
  });
});
