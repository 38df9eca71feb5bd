import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Json } from '../apply/value.ts';
import { jsonPatch } from './json-patch.ts';
import { mergePatch } from './merge-patch.ts';

describe('merge patch', () => {
  const cases: readonly (readonly [Json, Json, Json])[] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  test.each(cases.map((one) => [...one]))(
    '%j with %j is %j (RFC 7386)',
    (target = null, patch = null, result = null) => {
      expect(mergePatch(target, patch)).toEqual(result);
    },
  );

  test('never touches prototypes, and a patch of itself changes nothing', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.jsonValue({ maxDepth: 4 }), (a, b) => {
        const before = JSON.stringify(a);
        mergePatch(a as Json, b as Json);
        return JSON.stringify(a) === before && ({} as { polluted?: 1 }).polluted === undefined;
      }),
    );
    mergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}') as Json);
    expect(({} as { polluted?: 1 }).polluted).toBeUndefined();
  });
});

describe('JSON patch', () => {
  test('leaves the document alone and refuses what does not apply', () => {
    const document = Object.freeze({ a: 1 });
    expect(jsonPatch(document, [{ op: 'add', path: '/b', value: 2 }])).toEqual({ a: 1, b: 2 });
    expect(() => jsonPatch(document, [{ op: 'test', path: '/a', value: 2 }])).toThrow(
      'testing value /a failed',
    );
    expect(() => jsonPatch(document, [{ op: 'replace', path: '/x/y', value: 2 }])).toThrow('does not apply');
    for (const bad of [
      [{ op: 'nope', path: '/a' }],
      [{ op: 'add', path: 'a', value: 1 }],
      [{ op: 'add', path: '/a' }],
      [1],
      {},
      [{ op: 'remove', path: '' }],
      [{ op: 'move', path: '/a' }],
      [{ op: 'add', path: '/__proto__/a', value: 1 }],
    ]) {
      expect(() => jsonPatch(document, bad as Json)).toThrow();
    }
  });

  test('copying cannot blow the object up', () => {
    const doubling = Array.from({ length: 40 }, (_, i) => ({ op: 'copy', from: '', path: `/k${i}` }));
    expect(() => jsonPatch({ text: 'x'.repeat(1000) }, doubling)).toThrow('larger than');
  });
});
