import { describe, expect, test } from '@jest/globals';
import { decode, encode, type DecodedPacket, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { frame, Frames } from './frames.ts';
import { isReply, parseQuery, passOn, respond, type Query } from './wire.ts';

const message = (packet: Packet = {}): Buffer =>
  encode({ type: 'query', id: 7, flags: 0x100, questions: [{ type: 'A', name: 'Tasks.WEB' }], ...packet });
const opt = (udpPayloadSize: number): Packet => ({
  additionals: [
    {
      type: 'OPT',
      name: '.',
      udpPayloadSize,
      extendedRcode: 0,
      ednsVersion: 0,
      flags: 0,
      flag_do: false,
      options: [],
    },
  ],
});
const query = (packet: Packet = {}): Query => {
  const parsed = parseQuery(message(packet));
  if (parsed.kind !== 'query') throw new Error(parsed.kind);
  return parsed.query;
};
/** dns-packet gives it, its types do not. */
const rcodeOf = (packet: DecodedPacket): unknown => (packet as { rcode?: string }).rcode;
const addresses = (count: number) =>
  Array.from(
    { length: count },
    (_, i) => ({ type: 'A', name: '.', ttl: 5, data: `10.0.${i >> 8}.${i & 255}` }) as const,
  );

describe('a query', () => {
  test('is read with its labels in lower case and its question as sent', () => {
    const { labels, type, question, id } = query();
    expect({ labels, type, id }).toEqual({ labels: ['tasks', 'web'], type: 'A', id: 7 });
    expect(question.toString('latin1')).toContain('WEB');
  });

  test('that is cut, doubled, of another kind or an answer is told from a good one', () => {
    const bytes = message();
    expect(parseQuery(bytes.subarray(0, 11)).kind).toBe('drop');
    expect(parseQuery(message({ type: 'response' })).kind).toBe('drop');
    expect(parseQuery(bytes.subarray(0, bytes.length - 1))).toEqual({ kind: 'bad', rcode: 'FORMERR' });
    expect(parseQuery(message({ questions: [] }))).toEqual({ kind: 'bad', rcode: 'FORMERR' });
    const [one] = [{ type: 'A', name: 'a' } as const];
    expect(parseQuery(message({ questions: [one, one] }))).toEqual({ kind: 'bad', rcode: 'FORMERR' });
    expect(parseQuery(message({ flags: 0x2000 }))).toEqual({ kind: 'bad', rcode: 'NOTIMP' });
    expect(parseQuery(Buffer.concat([bytes, Buffer.alloc(4_096)]))).toEqual({
      kind: 'bad',
      rcode: 'FORMERR',
    });
    const pointing = Buffer.from(bytes);
    pointing[12] = 0xc0;
    expect(parseQuery(pointing)).toEqual({ kind: 'bad', rcode: 'FORMERR' });
  });

  test('never confuses a dot in a label with one between labels', () => {
    const bytes = message({ questions: [{ type: 'A', name: 'aXb' }] });
    bytes[14] = 0x2e;
    const parsed = parseQuery(bytes);
    expect(parsed.kind === 'query' && parsed.query.labels).toEqual(['a\\.b']);
  });

  test('of any bytes never throws', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void parseQuery(Buffer.from(bytes))));
    const edits = fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = message(opt(1232));
        for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
        const parsed = parseQuery(bytes);
        if (parsed.kind === 'query')
          respond(parsed.query, { rcode: 'NOERROR', answers: addresses(3) }, 'udp');
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('an answer', () => {
  test('has the name as the asker spelled it', () => {
    const packet = decode(respond(query(), { rcode: 'NOERROR', isOurs: true, answers: addresses(2) }, 'udp'));
    expect(packet).toMatchObject({
      id: 7,
      flag_qr: true,
      flag_aa: true,
      flag_rd: true,
      flag_ra: true,
      flag_tc: false,
    });
    expect(packet.questions).toMatchObject([{ name: 'Tasks.WEB' }]);
    expect(packet.answers).toMatchObject([
      { name: 'Tasks.WEB', ttl: 5, data: '10.0.0.0' },
      { name: 'Tasks.WEB', ttl: 5, data: '10.0.0.1' },
    ]);
  });

  test.each([
    ['without EDNS', {}, 512],
    ['with EDNS of 1000 bytes', opt(1000), 1000],
    ['with EDNS of more than fits a path', opt(65_000), 1232],
    ['with EDNS of nonsense', opt(3), 512],
  ])('by UDP %s is cut to that size, and says so', (_, edns, most) => {
    const bytes = respond(query(edns), { rcode: 'NOERROR', answers: addresses(300) }, 'udp');
    expect(bytes.length).toBeLessThanOrEqual(most);
    expect(bytes.length).toBeGreaterThan(most - 17);
    expect(decode(bytes).flag_tc).toBe(true);
  });

  test('by TCP is whole', () => {
    const packet = decode(respond(query(), { rcode: 'NOERROR', answers: addresses(300) }, 'tcp'));
    expect(packet.answers).toHaveLength(300);
    expect(packet.flag_tc).toBe(false);
  });

  test('to EDNS has EDNS, also with a code that only EDNS has', () => {
    const packet = decode(respond(query(opt(1232)), { rcode: 'BADVERS' }, 'udp'));
    expect(packet.additionals).toMatchObject([{ type: 'OPT', extendedRcode: 1, udpPayloadSize: 1232 }]);
    expect(rcodeOf(packet)).toBe('NOERROR');
    expect(decode(respond(query(), { rcode: 'NXDOMAIN' }, 'udp')).additionals).toEqual([]);
  });

  test('from elsewhere is taken only with the id and the question that were sent', () => {
    const reply = message({ type: 'response', id: 99, questions: [{ type: 'A', name: 'tasks.web' }] });
    expect(isReply(query(), 99, reply)).toBe(true);
    expect(isReply(query(), 98, reply)).toBe(false);
    expect(isReply(query(), 99, message({ id: 99 }))).toBe(false);
    const other = message({ type: 'response', id: 99, questions: [{ type: 'A', name: 'tasks.wab' }] });
    expect(isReply(query(), 99, other)).toBe(false);
    expect(isReply(query(), 99, message({ type: 'response', id: 99, questions: [] }))).toBe(false);
    expect(isReply(query(), 99, Buffer.alloc(3))).toBe(false);
  });

  test('from elsewhere comes with the id and spelling of the asker, cut when it takes no more', () => {
    const reply = message({
      type: 'response',
      id: 99,
      questions: [{ type: 'A', name: 'tasks.web' }],
      answers: addresses(60).map((record) => ({ ...record, name: 'tasks.web' })),
    });
    const whole = decode(passOn(query(opt(4096)), reply, 'udp'));
    expect(whole).toMatchObject({ id: 7, flag_tc: false, questions: [{ name: 'Tasks.WEB' }] });
    expect(whole.answers).toHaveLength(60);
    const cut = decode(passOn(query(), reply, 'udp'));
    expect(cut).toMatchObject({ id: 7, flag_tc: true, questions: [{ name: 'Tasks.WEB' }], answers: [] });
    expect(decode(passOn(query(), reply, 'tcp')).answers).toHaveLength(60);
  });
});

describe('a stream of messages', () => {
  test('comes apart as it was put together, wherever it is cut', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(parts, fc.integer({ min: 1, max: 50 }), (messages, size) => {
        const stream = Buffer.concat(messages.map((bytes) => frame(Buffer.from(bytes))));
        const frames = new Frames(64);
        const seen: Buffer[] = [];
        for (let at = 0; at < stream.length; at += size)
          seen.push(...frames.push(stream.subarray(at, at + size)));
        expect(seen.map((bytes) => [...bytes])).toEqual(messages.map((bytes) => [...bytes]));
      }),
    );
  });

  test('with a message that is too long is of no use', () => {
    expect(() => new Frames(64).push(Buffer.from([0, 65]))).toThrow(RangeError);
  });
});
