import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatConstraint, matchesConstraint, parseConstraint } from './constraints.ts';
import type { Node } from './types.ts';

const node: Node = {
  apiVersion: 'orc.dev/v1',
  kind: 'Node',
  metadata: { name: 'a', uid: 'u1', labels: { zone: 'EU', ssd: '' } },
  spec: {},
  status: {
    hostname: 'Host-A',
    role: 'manager',
    addresses: ['10.0.1.5', 'fd00::5'],
    platform: { os: 'linux', arch: 'amd64' },
    engine: { runtime: 'docker', version: '1', apiVersion: '1.41', reachable: true, labels: { gpu: 'yes' } },
  },
};
const holds = (text: string): boolean => matchesConstraint(parseConstraint(text), node);

describe('constraints', () => {
  test('that hold', () => {
    for (const text of [
      'node.id == u1',
      'node.id==A',
      'node.hostname == host-a',
      'node.role != worker',
      'node.platform.arch == x86_64',
      'node.labels.zone == eu',
      'node.labels.zone in (us, eu)',
      'node.labels.zone notin (us,ap)',
      'node.labels.ssd exists',
      'exists node.labels.ssd',
      '!exists node.labels.hdd',
      'node.labels.hdd !exists',
      'node.labels.hdd != x',
      'node.labels.hdd notin (x)',
      'engine.labels.gpu == YES',
      'node.ip == 10.0.1.0/24',
      'node.ip == fd00::/64',
      'node.ip != 10.0.2.0/24',
    ])
      expect([text, holds(text)]).toEqual([text, true]);
  });
  test('that do not', () => {
    for (const text of [
      'node.role == worker',
      'node.labels.Zone == eu',
      'node.labels.hdd exists',
      '!exists node.labels.ssd',
      'node.labels.zone in (us)',
      'node.labels.toString exists',
      'node.ip == 10.0.2.7',
    ])
      expect([text, holds(text)]).toEqual([text, false]);
  });
  test('that are not constraints say what was expected', () => {
    expect(() => parseConstraint('node.lables.zone == eu')).toThrow(
      /known are node\.id,.*did you mean "node\.labels\.zone"/,
    );
    expect(() => parseConstraint('node.role == king')).toThrow(/manager or worker/);
    for (const text of [
      '',
      'x',
      'node.role',
      'node.role = worker',
      'node.role ==',
      'node.role in ()',
      'node.labels. == x',
      'node.ip == eu',
      '== x',
    ])
      expect(() => parseConstraint(text)).toThrow(RangeError);
  });
  test('are read back as written', () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const constraint = fc.oneof(
      fc.record({
        key: word.map((w) => `node.labels.${w}`),
        operator: fc.constantFrom('==', '!='),
        values: fc.array(word, { minLength: 1, maxLength: 1 }),
      }),
      fc.record({
        key: word.map((w) => `engine.labels.${w}`),
        operator: fc.constantFrom('in', 'notin'),
        values: fc.array(word, { minLength: 1 }),
      }),
      fc.record({
        key: fc.constant('node.labels.a/b.c'),
        operator: fc.constantFrom('exists', '!exists'),
        values: fc.constant([]),
      }),
    );
    fc.assert(
      fc.property(constraint, (c) => expect(parseConstraint(formatConstraint(c as never))).toEqual(c)),
    );
  });
});
