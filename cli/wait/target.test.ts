import { expect, test } from '@jest/globals';
import type { Service } from '../../api-schemas/index.ts';
import { condition, service, stack } from '../testobjects.ts';
import { targetOf, viewTarget } from './target.ts';

const ready = (generation: number, more: Partial<Service['metadata']> = {}): Service => {
  const web = service(
    'web',
    {},
    {
      observedGeneration: generation,
      desired: 1,
      ready: 1,
      updated: 1,
      replicas: 1,
      conditions: [{ ...condition('Ready', 'True'), observedGeneration: generation }],
    },
  );
  return { ...web, metadata: { ...web.metadata, generation, ...more } };
};
const outcome = (object: Service | undefined): string =>
  viewTarget(targetOf(ready(2), 'default'), object, [], []).outcome;

test('what was written has converged', () => {
  expect(outcome(ready(2))).toBe('converged');
});
test('an older state does not count', () => {
  expect(outcome(ready(1))).toBe('waiting');
});
test('a newer spec is somebody else’s success', () => {
  expect(outcome(ready(3))).toBe('superseded');
  const shop = stack('shop', {});
  const newer = { ...shop, metadata: { ...shop.metadata, generation: 2 } };
  expect(viewTarget(targetOf(shop, 'default'), newer, [], []).outcome).toBe('superseded');
});
test('an object that is being deleted, or was made anew, is no newer spec', () => {
  expect(outcome(ready(3, { deletionTimestamp: '2030-01-01T00:00:00Z' }))).not.toBe('superseded');
  expect(outcome(ready(1, { uid: 'another' }))).toBe('gone');
  expect(outcome(undefined)).toBe('gone');
});
