import { afterAll, describe, expect, test } from '@jest/globals';
import { buildOracle, differences } from './sequences.ts';

/** Raise for a long run: `ORC_SMD_SEQUENCES=100000 node scripts/jest.mjs oracle`. */
const count = Number(process.env['ORC_SMD_SEQUENCES'] ?? 1000);
const oracle = buildOracle();

describe('server-side apply against structured-merge-diff', () => {
  if ('missing' in oracle) {
    // The toolchain is no part of a build, so the suite is run by hand: `node scripts/jest.mjs oracle`.
    test('has the Go toolchain and the library', () => {
      throw new Error(
        `${oracle.missing}: apt-get install golang-go golang-k8s-sigs-structured-merge-diff-dev`,
      );
    });
    return;
  }
  afterAll(() => oracle.remove());
  test(`agrees on objects, owners and conflicts of ${count} random sequences`, () => {
    const newer = process.env['ORC_SMD_ORACLE'] !== undefined;
    const found = differences(oracle.program, { count, seed: 1, newer });
    expect(found.slice(0, 1)).toEqual([]);
  }, 600_000);
});
