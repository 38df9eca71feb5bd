import { describe, expect, test } from '@jest/globals';
import { hostPortsOf, ingressPortsOf, portsClash, validate, type Port } from '../index.ts';
import { formatPort, inRanges } from './columns.ts';

const problems = (...ports: readonly unknown[]): string[] =>
  validate({
    apiVersion: 'orc.dev/v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: { image: 'i', ports },
  }).map(({ field, message }) => `${field ?? ''}: ${message}`);

describe('a range of published ports', () => {
  const range: Port = { target: 9000, published: 8000, endPort: 8002, protocol: 'udp' };

  test('is each of its ports, and the ports of the container follow on', () => {
    const own = ingressPortsOf({ image: 'i', ports: [range, { target: 80 }] });
    expect(own.map(({ published, target, protocol }) => [published, target, protocol])).toEqual([
      ...[8000, 8001, 8002].map((port, i) => [port, 9000 + i, 'udp']),
      [0, 80, 'tcp'],
    ]);
    expect(hostPortsOf({ image: 'i', ports: [{ ...range, mode: 'host' }] })).toHaveLength(3);
    expect(own.every((port) => !('endPort' in port))).toBe(true);
  });

  test('is shown as one, as it was asked for and as it was given', () => {
    expect(formatPort(range)).toBe('8000-8002->9000-9002/udp');
    const given = ingressPortsOf({ image: 'i', ports: [range, { target: 80, published: 8003 }] });
    expect(inRanges(given).map(formatPort)).toEqual(['8000-8002->9000-9002/udp', '8003->80/tcp']);
    expect(inRanges([{ target: 80 }, { target: 81 }]).map(formatPort)).toEqual([
      'auto->80/tcp',
      'auto->81/tcp',
    ]);
  });

  test('clashes with each port in it, of its protocol', () => {
    expect(portsClash(range, { target: 1, published: 8002, protocol: 'udp' })).toBe(true);
    expect(portsClash({ target: 1, published: 7999, endPort: 8000, protocol: 'udp' }, range)).toBe(true);
    expect(portsClash(range, { target: 1, published: 8003, protocol: 'udp' })).toBe(false);
    expect(portsClash(range, { target: 1, published: 8001 })).toBe(false);
    expect(problems(range, { target: 53, published: 8001, protocol: 'udp' })[0]).toMatch(
      /ports\[1\].*Duplicate/,
    );
  });

  test('begins somewhere, ends behind that, and is not endless', () => {
    expect(problems(range)).toEqual([]);
    expect(problems({ target: 80, endPort: 90 })[0]).toMatch(/ports\[0\].endPort: .*only with `published`/);
    expect(problems({ ...range, endPort: 7000 })[0]).toMatch(/endPort: .*must not be below published, 8000/);
    expect(problems({ ...range, endPort: 8256 })[0]).toMatch(
      /endPort: .*at most 256 ports, and this has 257/,
    );
    expect(problems({ ...range, target: 65534 })[0]).toMatch(/endPort: .*would go up to 65536/);
    expect(problems({ target: 80, published: '8000-8010' })[0]).toMatch(
      /published: .*its last one in `endPort`/,
    );
  });
});

test('one number may be published for UDP and TCP, and for two addresses of the node', () => {
  const both = [{ target: 53, published: 53 }, { target: 53, published: 53, protocol: 'udp' }]; // prettier-ignore
  expect(problems(...both)).toEqual([]);
  const addresses = ['10.0.0.1', '10.0.0.2'].map((hostIP) => ({ target: 80, published: 80, hostIP }));
  expect(problems(...addresses)).toEqual([]);
  expect(problems(...addresses, { target: 80, published: 80 })[0]).toMatch(/ports\[2\].*Duplicate/);
});
