import { expect, test } from '@jest/globals';
import { untrustedText } from './expired.ts';

test('a node whose servers have another CA is told what it does as a worker, and what as a manager', () => {
  const text = untrustedText('https://10.0.0.1:6750');
  expect(text).toMatch(
    /worker: stop orc here, then join again with `orc join --token TOKEN 10\.0\.0\.1:6750`/,
  );
  expect(text).toMatch(/manager: stop orc here, `orc node rm` .* `orc leave --force` here, then `orc join`$/);
});
