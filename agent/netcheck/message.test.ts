import { decode } from 'dns-packet';
import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../kit/clock.ts';
import { Heard, type Neighbour } from './heard.ts';
import { packetHeaders, probeQuery, readProbe, readReply, replyTo, smallPacket } from './message.ts';

const id = '0123456789abcdef0123456789abcdef';
const probe = { id, sequence: 77 };

describe('a probe', () => {
  test.each([smallPacket, 576, 1450, 8950])('of %i bytes is a DNS query of that size', (size) => {
    const message = probeQuery(probe, size);
    expect(message.length + packetHeaders).toBe(size);
    expect(decode(message).questions).toEqual([
      { name: `${id}.probe.orc.internal`, type: 'TXT', class: 'IN' },
    ]);
    expect(readProbe(message)).toEqual(probe);
    expect(readReply(message)).toBeUndefined();
  });

  test('is answered small, whatever its size', () => {
    const reply = replyTo(probeQuery(probe, 1450));
    expect(reply.length + packetHeaders).toBeLessThanOrEqual(smallPacket);
    expect(decode(reply)).toMatchObject({ type: 'response', answers: [], additionals: [] });
    expect(readReply(reply)).toEqual(probe);
    expect(readProbe(reply)).toBeUndefined();
  });

  test('is nothing else that comes', () => {
    for (const other of [Buffer.alloc(0), Buffer.alloc(200), probeQuery(probe, 0).subarray(0, 40)])
      expect([readProbe(other), readReply(other)]).toEqual([undefined, undefined]);
    expect(readProbe(probeQuery({ id: 'x'.repeat(32), sequence: 1 }, 0))).toBeUndefined();
  });
});

describe('who hears probes', () => {
  const clock = new FakeClock(0);
  const neighbours = new Map<string, Neighbour>([['10.64.0.9', { node: 'n2', network: 'default/web' }]]);
  const heard = new Heard({ neighbours: () => neighbours, clock });

  test('answers the gateways of its neighbours, and nobody else', () => {
    expect(heard.answer(probeQuery(probe, 0), '10.64.0.17')).toBeUndefined();
    expect(heard.lastMs('10.64.0.17')).toBeUndefined();
    expect(readReply(heard.answer(probeQuery(probe, 0), '10.64.0.9') ?? Buffer.alloc(0))).toEqual(probe);
    expect(heard.lastMs('10.64.0.9')).toBe(0);
  });

  test('says the size of the largest packet of a check that arrived', () => {
    heard.answer(probeQuery(probe, 1450), '10.64.0.9');
    heard.answer(probeQuery(probe, 0), '10.64.0.9');
    expect(heard.of(id)).toEqual([{ network: 'default/web', peer: 'n2', bytes: 1450 }]);
    expect(heard.of('f'.repeat(32))).toEqual([]);
  });

  test('forgets checks, and who is no neighbour any more', () => {
    for (let i = 0; i < 100; i++)
      heard.answer(probeQuery({ id: i.toString(16).padStart(32, '0'), sequence: 1 }, 0), '10.64.0.9');
    expect(heard.of(id)).toEqual([]);
    neighbours.clear();
    heard.sweep();
    expect(heard.lastMs('10.64.0.9')).toBeUndefined();
  });
});
