import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { kindByName } from './kinds.ts';
import {
  formatLabelSelector,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
} from './selectors.ts';

const selects = (text: string, labels: Record<string, string>): boolean =>
  matchesLabels(parseLabelSelector(text), labels);

describe('label selectors', () => {
  test('select as Kubernetes does', () => {
    const labels = { app: 'web', tier: 'front', 'orc.dev/slot': '1' };
    for (const text of [
      '',
      'app=web',
      'app==web,tier',
      'app != db',
      'tier in (front, back)',
      'x notin (y)',
      '!x',
      '! x',
      'orc.dev/slot=1',
      'app=web , tier=front',
      'x!=y',
    ])
      expect([text, selects(text, labels)]).toEqual([text, true]);
    for (const text of [
      'app=db',
      'app!=web',
      'x',
      '!app',
      'tier in (back)',
      'app notin (web)',
      'toString',
      'app=',
    ])
      expect([text, selects(text, labels)]).toEqual([text, false]);
  });
  test('that do not parse are refused', () => {
    for (const text of [
      'a b',
      'a in x',
      'a in (x',
      '=x',
      'a=b,',
      ',',
      '!',
      'a=b c',
      'a=-',
      '-a=b',
      'a>b>c',
      'x'.repeat(20_000),
    ])
      expect([
        text,
        (() => {
          try {
            parseLabelSelector(text);
            return 'parsed';
          } catch (error) {
            return error instanceof SelectorError;
          }
        })(),
      ]).toEqual([text, true]);
  });
  test('are read back as written', () => {
    const word = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
    const one = fc.oneof(
      fc.record({
        key: word,
        operator: fc.constantFrom('in' as const, 'notin' as const),
        values: fc.uniqueArray(word, { minLength: 1 }).map((v) => [...v].sort()),
      }),
      fc.record({
        key: word,
        operator: fc.constantFrom('exists' as const, '!exists' as const),
        values: fc.constant<string[]>([]),
      }),
    );
    fc.assert(
      fc.property(fc.array(one), (all) => expect(parseLabelSelector(formatLabelSelector(all))).toEqual(all)),
    );
  });
});

describe('field selectors', () => {
  const task = {
    apiVersion: 'orc.dev/v1',
    kind: 'Task',
    metadata: { name: 'a', namespace: 'n' },
    spec: { nodeName: 'x,y' },
  };
  const def = kindByName('Task');
  test('select by the fields of the kind', () => {
    for (const text of [
      '',
      'metadata.name=a',
      'metadata.name==a,metadata.namespace!=m',
      'spec.nodeName=x\\,y',
      'status.state=',
    ])
      expect([text, matchesFields(parseFieldSelector(text, def), task)]).toEqual([text, true]);
    expect(matchesFields(parseFieldSelector('metadata.name!=a', def), task)).toBe(false);
  });
  test('refuse others with the words of Kubernetes', () => {
    expect(() => parseFieldSelector('spec.image=x', def)).toThrow('field label not supported: spec.image');
    expect(() => parseFieldSelector('metadata.name', def)).toThrow(
      "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
    );
  });
});
