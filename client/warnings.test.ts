import { expect, test } from '@jest/globals';
import { warningsOf } from './warnings.ts';

test('the texts of warnings are read, several of them and with quotes', () => {
  expect(warningsOf({})).toEqual([]);
  expect(warningsOf({ warning: '299 - "as of 3 s ago"' })).toEqual(['as of 3 s ago']);
  const two = String.raw`299 - "a \"b\", c", 299 - "d"`;
  expect(warningsOf({ warning: two })).toEqual(['a "b", c', 'd']);
});
