import { describe, expect, test } from '@jest/globals';
import { kindByName, type AnyKindDef, type Obj } from '../../api-schemas/index.ts';
import { parseFieldSelector } from './fields.ts';
import { parseLabelSelector } from './labels.ts';

const object = (labels: Record<string, string>): Obj => ({
  apiVersion: 'v1',
  kind: 'X',
  metadata: { name: 'a', labels },
});
const matches = (selector: string, labels: Record<string, string>): boolean =>
  parseLabelSelector(selector)?.(object(labels)) ?? true;

describe('label selectors', () => {
  test('equality, sets, existence and numbers', () => {
    const labels = { app: 'web', tier: 'front', n: '5', 'x.io/y': '' };
    for (const yes of [
      '',
      'app=web',
      'app==web',
      'app!=db',
      'other!=x',
      'app in (web,db)',
      'app notin (db)',
      'zone notin (a)',
      'app',
      '!zone',
      'n>4',
      'n<6',
      'app=web,tier in (front, back),!z',
      'x.io/y=',
      'app != db',
      '! zone',
      'app=web , tier=front',
    ]) {
      expect({ selector: yes, matches: matches(yes, labels) }).toEqual({ selector: yes, matches: true });
    }
    for (const no of [
      'app=db',
      'app!=web',
      'app in (db)',
      'app notin (web)',
      'zone',
      '!app',
      'n>5',
      'zone=',
      'constructor',
      'toString=x',
    ]) {
      expect({ selector: no, matches: matches(no, labels) }).toEqual({ selector: no, matches: false });
    }
  });

  test('what is none is refused', () => {
    for (const bad of [
      'a=b=c',
      'a in b',
      'a in (b',
      '(',
      'a,,b',
      '=x',
      'a b',
      'a>x',
      `${'a'.repeat(70)}=b`,
      '-a',
      'a=b,',
      ',',
      '!',
      'a=b c',
      'a=-',
      'a>b>c',
      'x'.repeat(20_000),
    ]) {
      expect(() => parseLabelSelector(bad)).toThrow('unable to parse requirement');
    }
  });
});

describe('field selectors', () => {
  const event = kindByName('Event') as unknown as AnyKindDef;

  test('only what a kind allows can be selected by', () => {
    expect(() => parseFieldSelector(event, 'spec.image=x')).toThrow('field label not supported: spec.image');
    expect(() => parseFieldSelector(event, 'nonsense')).toThrow('invalid selector');
    expect(parseFieldSelector(event, '')).toBeUndefined();
  });

  test('values may hold escaped commas', () => {
    const about = { ...object({}), involvedObject: { name: 'a,b' } } as Obj;
    expect(parseFieldSelector(event, 'involvedObject.name=a\\,b,metadata.name!=z')?.matches(about)).toBe(
      true,
    );
    expect(parseFieldSelector(event, 'involvedObject.name!=a\\,b')?.matches(about)).toBe(false);
  });
});
