import { describe, expect, test } from '@jest/globals';
import type { Obj } from '../../api-schemas/index.ts';
import type { Change } from '../../store/types.ts';
import { translate } from './translate.ts';

const object = (label: string, resourceVersion: string): Obj => ({
  apiVersion: 'v1',
  kind: 'X',
  metadata: { name: 'a', resourceVersion, labels: { l: label } },
});
const isIn = ({ metadata }: Obj): boolean => metadata.labels?.['l'] === 'in';
const modified = (from: string, to: string): Change => ({
  type: 'MODIFIED',
  object: object(to, '2'),
  previous: object(from, '1'),
  revision: 2,
});

describe('what a watcher with a selector sees', () => {
  test('entering is ADDED, staying MODIFIED, leaving DELETED as it was with the new version', () => {
    expect(translate(modified('out', 'in'), isIn)).toEqual({ type: 'ADDED', object: object('in', '2') });
    expect(translate(modified('in', 'in'), isIn)?.type).toBe('MODIFIED');
    expect(translate(modified('in', 'out'), isIn)).toEqual({ type: 'DELETED', object: object('in', '2') });
    expect(translate(modified('out', 'out'), isIn)).toBeUndefined();
  });

  test('a deletion is seen by whom the object was seen by', () => {
    const gone = (label: string): Change => ({
      type: 'DELETED',
      object: object(label, '3'),
      previous: object(label, '2'),
      revision: 3,
    });
    expect(translate(gone('in'), isIn)).toEqual({ type: 'DELETED', object: object('in', '3') });
    expect(translate(gone('out'), isIn)).toBeUndefined();
  });
});
